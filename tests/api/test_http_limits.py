"""tests/api/test_http_limits.py -- what a raw socket can send: smuggling, slowness, floods."""
import socket
import time

import pytest


def talk(stack, data, seconds=5, name="crm"):
    """Sends bytes, answers all that comes back until the server closes or is silent."""
    with socket.create_connection(("127.0.0.1", stack.ports[name]), timeout=seconds) as s:
        s.sendall(data)
        received = b""
        try:
            while chunk := s.recv(65536):
                received += chunk
        except (TimeoutError, ConnectionResetError):
            pass
        return received


def request(stack, headers, body=b"", path="/api/v1/accounts", method="POST"):
    token = stack.tokens["crm"]
    head = f"{method} {path} HTTP/1.1\r\n".encode() + b"".join(h + b"\r\n" for h in headers)
    return head + f"Authorization: Bearer {token}\r\n".encode() + b"\r\n" + body


GOOD = b'{"name":"Smuggled","type":"prospect"}'
LENGTH = str(len(GOOD)).encode()


@pytest.mark.parametrize("headers", [
    [b"Host: x", b"Content-Length: " + LENGTH, b"Content-Length: 3"],
    [b"Host: x", b"Content-Length: +" + LENGTH],
    [b"Host: x", b"Content-Length : " + LENGTH],
    [b"Host: x", b"Content-Length: 0x10"],
    [b"Host: x", b"Content-Length: -1"],
    [b"Host: x", b"Content-Length: " + LENGTH + b"," + LENGTH],
    [b"Host: x", b"Transfer-Encoding: xchunked"],
    [b"Host: x", b"Transfer-Encoding: chunked", b"Content-Length: " + LENGTH],
    [b"Host: x", b"Transfer-Encoding: chunked, chunked"],
    [b"Content-Length: " + LENGTH],
    [b"Host: x", b"Host: y", b"Content-Length: " + LENGTH],
    [b"Host: x", b"Content-Length: " + LENGTH, b"Bad Name: x"],
    [b"Host: x", b"Content-Length: " + LENGTH] + [b"X-%d: y" % n for n in range(70)],
], ids=range(13))
def test_what_could_smuggle_a_second_request_closes_the_connection(stack, crm, headers):
    before = crm.get("/accounts", count="true", limit=1)["count"]
    answer = talk(stack, request(stack, [*headers, b"Content-Type: application/json"], GOOD +
                                 b"GET /api/v1/me HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413", b"HTTP/1.1 501"))
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert crm.get("/accounts", count="true", limit=1)["count"] == before


@pytest.mark.parametrize("line", [b"GET http://x/api/v1/accounts HTTP/1.1", b"GET /a%00b HTTP/1.1",
                                  b"GET /a\x01b HTTP/1.1", b"TRACE / HTTP/1.1", b"NONSENSE",
                                  b"GET / HTTP/9.9", b"\x16\x03\x01\x02\x00"])
def test_request_lines_that_make_no_sense_are_refused(stack, line):
    answer = talk(stack, line + b"\r\nHost: x\r\n\r\n", 3)
    assert answer == b"" or answer.split()[1][:1] in (b"4", b"5")
    assert not answer.startswith((b"HTTP/1.1 500", b"HTTP/1.1 200"))


def test_headers_over_16_kib_are_refused(stack):
    answer = talk(stack, request(stack, [b"Host: x", b"X-Big: " + b"a" * 20000], method="GET"))
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 431"))


def test_headers_that_trickle_in_are_cut_off_by_an_absolute_deadline(stack):
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", stack.ports["crm"]), timeout=2) as s:
        s.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        closed = False
        while time.monotonic() - began < 25 and not closed:
            time.sleep(0.5)
            try:
                s.sendall(b"a")
                s.settimeout(0.01)
                closed = s.recv(100) == b"" or True
            except TimeoutError:
                pass
            except OSError:
                closed = True
    assert closed
    assert time.monotonic() - began < 15


def test_half_open_clients_do_not_hold_up_others(stack, crm):
    idle = [socket.create_connection(("127.0.0.1", stack.ports["crm"])) for _ in range(50)]
    for number, s in enumerate(idle):
        s.sendall(b"POST /api/v1/accounts HTTP/1.1\r\nHost: x\r\nContent-Le"[:10 + number])
    try:
        assert crm.raw("GET", "/livez").status == 200
        assert crm.get("/accounts", limit=1)
    finally:
        for s in idle:
            s.close()


def test_a_client_that_leaves_while_it_is_served_harms_nobody(stack, crm):
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", stack.ports["crm"])) as s:
            s.sendall(request(stack, [b"Host: x"], method="GET"))
    assert crm.get("/accounts", limit=1)


def test_pipelined_requests_are_answered_in_order_or_not_at_all(stack):
    one = request(stack, [b"Host: x"], path="/api/v1/me", method="GET")
    two = request(stack, [b"Host: x"], path="/livez", method="GET")
    answer = talk(stack, one + two, 2)
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.find(b'"email"') < answer.find(b"HTTP/1.1", 10) or answer.count(b"HTTP/1.1") == 1
