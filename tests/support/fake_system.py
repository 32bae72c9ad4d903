"""tests/support/fake_system.py -- a system beside the bridge that does what a test tells it."""
import base64
import hashlib
import hmac
import http.server
import json
import re
import threading
import time
import uuid


class Call:
    def __init__(self, method, path, headers, body):
        self.method, self.path, self.headers, self.body = method, path, headers, body

    def __repr__(self):
        return f"{self.method} {self.path} {self.body}"


class FakeSystem:
    """Keeps what is PUT by reference, like a CRM or ERP; `rule` puts faults before that.

    A rule is a function of a Call that answers None (go on), "drop" (close without a reply, the
    effect done), or (status, body[, headers]).
    """

    def __init__(self, name, port=0):
        self.name, self.secret = name, "whsec_" + base64.b64encode(b"k" * 32).decode()
        self.calls, self.effects, self.records, self.replies = [], [], {}, {}
        self.rule = lambda call: None
        self.epoch = None        # "<cluster>-<timeline>": then it tells it
        self.forgetful = False   # and knows none of the events it is asked for
        self.lock = threading.RLock()
        self.next_id = 100
        self.server = None
        self.port = port
        self.open()

    # ---- life ----

    def open(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *args):
                pass

            def answer(self):
                outer.answer(self)
            do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = answer

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

        self.server = Server(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        """Away: refuses connections. Kept ones end with their next request."""
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    # ---- answering ----

    def answer(self, handler):
        length = int(handler.headers.get("Content-Length") or 0)
        raw = handler.rfile.read(length)
        call = Call(handler.command, handler.path, dict(handler.headers.items()),
                    json.loads(raw) if raw else None)
        if self.server is None:
            handler.close_connection = True
            return
        epoch = call.path.startswith("/api/v1/epoch")   # asked for all the time
        with self.lock:
            self.calls += [] if epoch else [call]
        told = self.tell_epoch(call) if epoch else self.rule(call)
        if told == "drop":
            self.effect(call)
            handler.close_connection = True
            return
        status, body, *headers = told or self.effect(call)
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        handler.send_response(status)
        for name, value in (headers[0] if headers else {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    def tell_epoch(self, call):
        if self.epoch is None or call.method != "GET":
            return 404, {"code": "not_found"}
        asked = call.path.partition("event=")[2]
        return 200, {"epoch": self.epoch, "last_event": None, "last_event_at": None,
                     "unknown": asked.split(",") if self.forgetful and asked else []}

    def effect(self, call):
        with self.lock:
            key = call.headers.get("Idempotency-Key")
            if key and key in self.replies:
                return self.replies[key]
            reply = self.new_effect(call)
            if key:
                self.replies[key] = reply
            return reply

    def new_effect(self, call):
        if "/webhooks/by-ref/" in call.path:
            return 200, {"id": 1, "version": 1}
        if "/webhook-deliveries" in call.path:
            return 200, {"data": [], "next_cursor": None}
        if call.method == "GET":
            record = self.records.get(call.path) or self.records.get(call.path.partition("?")[0])
            return (200, record) if record else (404, {"code": "not_found", "detail": "No record."})
        by_ref = re.fullmatch(r"/api/v1/([a-z-]+)/by-ref/(.+)", call.path)
        if not by_ref:
            self.effects.append(call)
            return 200, {"id": 1}
        return self.upsert(call, by_ref[1], by_ref[2])

    def upsert(self, call, path, ref):
        known = next((r for r in self.records.values() if r.get("external_ref") == ref), None)
        version = int(call.headers["Source-Version"])
        if known and version < known["source_version"]:
            return 200, {**known, "source_result": "superseded"}
        if known and version == known["source_version"]:
            return 200, {**known, "source_result": "unchanged"}
        self.effects.append(call)
        self.next_id += 0 if known else 1
        record = {"id": known["id"] if known else self.next_id, "external_ref": ref,
                  "version": known["version"] + 1 if known else 1, "source_version": version,
                  "number": f"N-{self.next_id}", "body": call.body}
        self.records[f"/api/v1/{path}/{record['id']}"] = record
        return (200 if known else 201), {**record, "source_result":
                                         "updated" if known else "created"}

    # ---- what was seen ----

    def puts(self, ref=None):
        return [c for c in self.calls if c.method == "PUT" and "/webhooks/" not in c.path
                and (ref is None or c.path.endswith("/" + ref))]

    def effects_of(self, ref):
        return [c for c in self.effects if c.path.endswith("/" + ref)]

    # ---- sending ----

    def event(self, entity, record, type="updated", version=1, origin="user", **members):
        return {"type": f"{entity}.{type}", "timestamp": "2026-03-01T10:00:00.000000Z",
                "data": {"entity": entity, "id": record["id"], "version": version,
                         "origin": origin, "trace": "0" * 31 + "1", "changed": [],
                         "record": {**record, "version": version}, **members}}


def signed(secret, body, id=None, timestamp=None):
    """Headers of a Standard Webhooks message."""
    id = id or "evt_" + str(uuid.uuid4())
    timestamp = str(timestamp if timestamp is not None else int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {"webhook-id": id, "webhook-timestamp": timestamp, "Content-Type": "application/json",
            "webhook-signature": "v1," + base64.b64encode(mac).decode()}


def post_event(bridge, system, event, id=None):
    """Posts the event as the system would; answers the reply."""
    body = json.dumps(event).encode()
    return bridge.raw("POST", f"/inbox/{system.name}", body, signed(system.secret, body, id))
