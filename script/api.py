"""script/api.py -- a small client of the three daemons' HTTP API, on one kept connection."""
import http.client
import json
import time
import urllib.parse
import uuid

KEPT_SECONDS = 30   # a daemon closes connections that are idle for its idle-timeout, 60 s


class ApiError(Exception):
    """A reply outside 2xx; .status and .problem say what it was."""

    def __init__(self, status, problem, request):
        super().__init__(f"{request}: {status} {problem}")
        self.status = status
        self.problem = problem


class Reply:
    def __init__(self, status, headers, raw):
        self.status = status
        self.headers = headers
        self.raw = raw

    @property
    def json(self):
        return json.loads(self.raw)


class Api:
    def __init__(self, url, token=None, timeout=30):
        self.url = url.rstrip("/")
        self.token = token
        self.timeout = timeout
        self._connection = None
        self._used = 0

    def _connect(self):
        parts = urllib.parse.urlsplit(self.url)
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port,
                                                      timeout=self.timeout)

    def close(self):
        if self._connection:
            self._connection.close()
            self._connection = None

    def raw(self, method, path, body=None, headers=None):
        """One try. Paths without a leading /api, /livez ... are below /api/v1."""
        if not path.startswith(("/api/", "/livez", "/readyz", "/metrics", "/openapi", "/docs")):
            path = "/api/v1" + path
        sent = {"Accept": "application/json"}
        if self.token:
            sent["Authorization"] = "Bearer " + self.token
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        if isinstance(body, str):
            body = body.encode()
        if time.monotonic() - self._used > KEPT_SECONDS:
            self.close()
        for attempt in (1, 2):
            if self._connection is None:
                self._connect()
            try:
                self._connection.request(method, path, body, sent)
                answer = self._connection.getresponse()
                data = answer.read()
                self._used = time.monotonic()
                break
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                # A kept connection the server has closed meanwhile; only safe to repeat
                # when the method is, or a key guards it.
                self.close()
                if attempt == 2 or (method != "GET" and "Idempotency-Key" not in sent):
                    raise
            except Exception:
                self.close()
                raise
        return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, data)

    def call(self, method, path, body=None, headers=None):
        reply = self.raw(method, path, body, headers)
        if not 200 <= reply.status < 300:
            try:
                problem = reply.json
            except ValueError:
                problem = reply.raw
            raise ApiError(reply.status, problem, f"{method} {path}")
        return reply.json if reply.raw else None

    def get(self, path, **query):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        return self.call("GET", path)

    def post(self, path, body=None, key=None):
        return self.call("POST", path, {} if body is None else body,
                         {"Idempotency-Key": key or str(uuid.uuid4())})

    def patch(self, path, body, headers=None):
        return self.call("PATCH", path, body, headers)

    def put(self, path, body, headers=None):
        return self.call("PUT", path, body, headers)

    def delete(self, path):
        return self.call("DELETE", path)

    def all(self, path, **query):
        """Every record of a list, page by page."""
        query.setdefault("limit", 200)
        while True:
            page = self.get(path, **query)
            yield from page["data"]
            if not page["next_cursor"]:
                return
            query["cursor"] = page["next_cursor"]


def patiently(call, seconds=60, pause=0.1):
    """Repeats call while the other side is unreachable or answers 429/503."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return call()
        except ApiError as error:
            if error.status not in (429, 503) or time.monotonic() > deadline:
                raise
        except (OSError, http.client.HTTPException):
            if time.monotonic() > deadline:
                raise
        time.sleep(pause)
