"""A camera that answers as it is told, for the oddities that neither simulator nor GStreamer has."""

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from recorder.rtsp.session import Session
from recorder.rtsp.units import AccessUnit

SDP = """v=0
s=odd
t=0 0
m=video 0 RTP/AVP 96
a=rtpmap:96 H264/90000
a=control:video
m=audio 0 RTP/AVP 8
a=control:audio
"""
_DEFAULTS = {
    "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER",
    "SETUP": "Session: 12345678;timeout=60",
}


@dataclass
class Request:
    """What came."""

    method: str
    url: str
    headers: dict[str, str]


@dataclass
class Script:
    """What to answer to a method: bytes, or a function of the request; None ends the connection."""

    answers: dict[str, Callable[[Request], bytes | None]] = field(default_factory=dict)
    after_play: bytes = b""
    chatter: bytes = b""
    """Sent a hundred times from then on, ten times a second."""
    requests: list[Request] = field(default_factory=list)
    raw: bytes = b""

    def answer(self, request: Request) -> bytes | None:
        if request.method in self.answers:
            return self.answers[request.method](request)
        body = SDP if request.method == "DESCRIBE" else ""
        return ok(request, _DEFAULTS.get(request.method, ""), body=body)

    def sent(self, method: str) -> list[Request]:
        return [request for request in self.requests if request.method == method]


def ok(request: Request, *headers: str, status: str = "200 OK", body: str = "") -> bytes:
    length = [f"Content-Length: {len(body.encode())}"] if body else []
    lines = [
        f"RTSP/1.0 {status}",
        f"CSeq: {request.headers.get('cseq', '')}",
        *filter(None, headers),
        *length,
        "",
        body,
    ]
    return "\r\n".join(lines).encode()


@contextmanager
def camera(script: Script) -> Iterator[str]:
    """Serves one connection after the other; the address, without credentials."""
    server = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            connections.append(connection)
            with connection:
                _converse(connection, script)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"rtsp://127.0.0.1:{server.getsockname()[1]}/odd"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        for connection in connections:
            _hang_up(connection)
        thread.join()


def _converse(connection: socket.socket, script: Script) -> None:
    data = b""
    chatter = [script.chatter] * 100 if script.chatter else []
    while True:
        came = _received(connection, chatter)
        if not came:
            return
        data += came
        script.raw += came
        while True:
            while data[:1] == b"$" and len(data) >= 4:
                data = data[4 + int.from_bytes(data[2:4], "big") :]
            head, end, rest = data.partition(b"\r\n\r\n")
            if not end:
                break
            data = rest
            if head.startswith(b"RTSP/"):
                continue  # the answer to what the camera asked
            request = _request(head.decode())
            script.requests.append(request)
            answer = script.answer(request)
            if answer is None:
                return
            if not _is_taken(connection, answer + (script.after_play if request.method == "PLAY" else b"")):
                return
            if request.method == "PLAY" and chatter:
                connection.settimeout(0.1)


def _received(connection: socket.socket, chatter: list[bytes]) -> bytes:
    """What comes next; nothing at the end."""
    while True:
        try:
            return connection.recv(4096)
        except TimeoutError:
            if not (chatter and _is_taken(connection, chatter.pop())):
                return b""
        except OSError:
            return b""


def _is_taken(connection: socket.socket, data: bytes) -> bool:
    try:
        connection.sendall(data)
    except OSError:
        return False
    return True


def _request(head: str) -> Request:
    first, *lines = head.split("\r\n")
    method, url, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    return Request(method, url, {name.strip().lower(): value.strip() for name, _, value in pairs})


def _hang_up(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def read(session: Session, count: int) -> list[AccessUnit]:
    """So many access units or more, as they come."""
    units = session.feed(b"")
    while len(units) < count:
        assert select.select([session.socket], [], [], 90)[0]
        units += session.feed(session.socket.recv(65_536))
    return units
