"""tests/support/fault_proxy.py -- stands between two daemons and loses, cuts, copies and garbles.

It reads whole HTTP requests. What happens to the n-th of them is a function of the seed and n
alone, so a run can be done again with the same faults. Loopback only.
"""
import collections
import random
import socket
import struct
import threading
import time

KINDS = ("lost", "reply_lost", "cut_request", "cut_reply", "late", "overtaken", "copied",
         "copied_late", "trickled", "silence", "slammed")
# A flipped bit is caught where the message is signed; elsewhere TLS is what would catch it.
SIGNED_KINDS = KINDS + ("garbled", "bad_signature")
HELD_MAX = 0.5


class Ended(Exception):
    """The connection is closed on purpose."""


def read_message(stream, first=None):
    """One HTTP message of known length as bytes; b"" at the end of the stream."""
    head = first if first is not None else stream.readline()
    if not head:
        return b""
    length = 0
    while True:
        line = stream.readline()
        head += line
        if line in (b"\r\n", b"\n", b""):
            break
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    body = stream.read(length) if length else b""
    return head + body


class FaultProxy:
    """share: of the requests that meet a fault; silence_seconds: how long a half-open one hangs."""

    def __init__(self, upstream_port, seed, kinds=KINDS, share=0.0, silence_seconds=1.0, port=0):
        self.upstream_port, self.seed, self.kinds = upstream_port, seed, kinds
        self.share, self.silence_seconds = share, silence_seconds
        self.counts = collections.Counter()
        self.number = 0
        self.away_until = 0.0
        self.cut_at = None                 # bytes of the reply; None: any number
        self.passed = threading.Condition()
        self.passed_count = 0
        self.listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.puts = []                     # the bytes of each PUT that came by
        self.closed = False
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def injections(self):
        return sum(self.counts.values())

    def heal(self):
        self.share, self.away_until = 0.0, 0.0

    def away(self, seconds):
        """Every connection is reset for so long."""
        self.away_until = time.monotonic() + seconds

    def close(self):
        self.closed = True
        self.listener.close()

    # ---- connections ----

    def accept(self):
        while not self.closed:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def connect(self):
        upstream = socket.create_connection(("127.0.0.1", self.upstream_port), timeout=30)
        upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return upstream

    def serve(self, client):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.settimeout(60)
        upstream = None
        try:
            stream = client.makefile("rb")
            while True:
                request = read_message(stream)
                if not request:
                    return
                if time.monotonic() < self.away_until:
                    self.counts["away"] += 1
                    self.reset(client)
                if upstream is None:
                    upstream = self.connect()
                    replies = upstream.makefile("rb")
                self.handle(client, upstream, replies, request)
        except (OSError, Ended, ValueError):
            pass
        finally:
            client.close()
            if upstream:
                upstream.close()

    def reset(self, client):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Ended

    # ---- one request ----

    def fault_of(self, number):
        """None, or a kind and the chance that decides its details."""
        chance = random.Random(f"{self.seed}:{number}")
        if chance.random() >= self.share:
            return None, chance
        return chance.choice(self.kinds), chance

    def handle(self, client, upstream, replies, request):
        with self.passed:
            self.number += 1
            if request.startswith(b"PUT "):
                self.puts.append(request)
            kind, chance = self.fault_of(self.number)
        if kind in ("garbled", "bad_signature") and b"webhook-signature:" not in request.lower():
            kind = None
        if kind:
            self.counts[kind] += 1
            request = getattr(self, kind)(client, upstream, replies, request, chance)
        upstream.sendall(request)
        self.has_passed()
        reply = read_message(replies)
        if not reply:
            raise Ended
        if kind == "reply_lost":
            raise Ended
        if kind == "cut_reply":
            client.sendall(reply[:self.cut_at or chance.randrange(len(reply))])
            raise Ended
        client.sendall(reply)

    def has_passed(self):
        with self.passed:
            self.passed_count += 1
            self.passed.notify_all()

    # ---- the kinds; each answers what is to be sent on, or ends the connection ----

    def lost(self, client, upstream, replies, request, chance):
        raise Ended

    def reply_lost(self, client, upstream, replies, request, chance):
        return request                     # see handle

    cut_reply = reply_lost

    def cut_request(self, client, upstream, replies, request, chance):
        upstream.sendall(request[:chance.randrange(1, len(request))])
        raise Ended

    def late(self, client, upstream, replies, request, chance):
        time.sleep(chance.uniform(0.02, 0.6))
        return request

    def overtaken(self, client, upstream, replies, request, chance):
        with self.passed:
            seen = self.passed_count
            self.passed.wait_for(lambda: self.passed_count > seen, HELD_MAX)
        return request

    def copied(self, client, upstream, replies, request, chance):
        self.send_copy(request)
        return request

    def copied_late(self, client, upstream, replies, request, chance):
        timer = threading.Timer(chance.uniform(0.1, 2.0), self.send_copy, (request,))
        timer.daemon = True
        timer.start()
        return request

    def send_copy(self, request):
        try:
            with self.connect() as other:
                other.sendall(request)
                read_message(other.makefile("rb"))
        except OSError:
            pass                           # the daemon is away just then

    def trickled(self, client, upstream, replies, request, chance):
        for at in range(min(len(request) - 1, 200)):
            upstream.sendall(request[at:at + 1])
            time.sleep(0.0005)
        return request[min(len(request) - 1, 200):]

    def silence(self, client, upstream, replies, request, chance):
        until = time.monotonic() + self.silence_seconds
        while time.monotonic() < until and self.share:
            time.sleep(0.05)
        self.reset(client)

    def slammed(self, client, upstream, replies, request, chance):
        self.reset(client)

    def garbled(self, client, upstream, replies, request, chance):
        head, body = request.split(b"\r\n\r\n", 1)
        at = chance.randrange(len(body))
        flipped = bytes([body[at] ^ (1 << chance.randrange(8))])
        return head + b"\r\n\r\n" + body[:at] + flipped + body[at + 1:]

    def bad_signature(self, client, upstream, replies, request, chance):
        at = request.lower().index(b"webhook-signature:") + len("webhook-signature: v1,")
        other = b"B" if request[at:at + 1] != b"B" else b"C"
        return request[:at] + other + request[at + 1:]
