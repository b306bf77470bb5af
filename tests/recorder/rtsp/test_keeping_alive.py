"""A session that plays: its signs of life, what the camera asks meanwhile, and when it is over."""

import select
import threading
import time

import pytest

from recorder.errors import (
    StreamEnded,
)
from recorder.rtsp.session import Session
from tests.recorder.rtsp.packets import pictures
from tests.recorder.rtsp.scripted import SDP, Request, Script, camera, ok, read

SECRET = "s3cr3t"


def kept_alive(script: Script, *, methods: int = 1) -> Session:
    """A session whose sign of life was due, and answered."""
    with camera(script) as url:
        session = Session.open(url)
        try:
            session.talk.keep_alive(session.talk.keep_alive_at - 0.001)
            assert not script.sent("GET_PARAMETER")
            for _ in range(methods):
                session.talk.keep_alive(session.talk.keep_alive_at)
                assert select.select([session.socket], [], [], 90)[0]
                session.feed(session.socket.recv(65_536))
                session.go_on()
        finally:
            session.close()
    return session


def test_a_session_is_kept_alive_at_half_its_timeout() -> None:
    script = Script({"SETUP": lambda request: ok(request, "Session: abc; timeout=20")})
    with camera(script) as url:
        began = time.monotonic()
        session = Session.open(url)
        assert 9.9 < session.talk.keep_alive_at - began < 19
        session.close()
    kept_alive(script)
    alive = script.sent("GET_PARAMETER")[0]
    assert alive.headers["session"] == "abc"
    assert b"$\x01\x00" in script.raw, "a report of RTCP goes with it"


def test_options_keep_a_session_alive_where_nothing_else_is_known() -> None:
    script = Script({"OPTIONS": lambda request: ok(request, "Public: DESCRIBE, SETUP, PLAY")})
    kept_alive(script)
    assert len(script.sent("OPTIONS")) == 2


def test_a_method_that_is_refused_is_not_asked_again() -> None:
    script = Script({"GET_PARAMETER": lambda request: ok(request, status="551 Option not supported")})
    kept_alive(script, methods=2)
    assert len(script.sent("GET_PARAMETER")) == 1
    assert len(script.sent("OPTIONS")) == 2


def test_a_nonce_that_grew_old_is_replaced_in_mid_stream() -> None:
    nonces = iter(["1", "2", "3"])

    def guarded(request: Request) -> bytes:
        is_old = request.method == "GET_PARAMETER" and 'nonce="1"' in request.headers["authorization"]
        if "authorization" not in request.headers or is_old:
            challenge = f'WWW-Authenticate: Digest realm="r", nonce="{next(nonces)}", stale=true'
            return ok(request, challenge, status="401 Unauthorized")
        return ok(request, "Session: 1", body=SDP if request.method == "DESCRIBE" else "")

    script = Script(dict.fromkeys(("DESCRIBE", "SETUP", "PLAY", "GET_PARAMETER"), guarded))
    with camera(script) as url:
        session = Session.open(url.replace("://", f"://admin:{SECRET}@"))
        session.talk.keep_alive(session.talk.keep_alive_at)
        for _ in range(2):
            assert select.select([session.socket], [], [], 90)[0]
            session.feed(session.socket.recv(65_536))
        session.close()
    assert ['nonce="2"' in each.headers["authorization"] for each in script.sent("GET_PARAMETER")] == [False, True]


def test_a_session_that_the_camera_forgot_is_over() -> None:
    with pytest.raises(StreamEnded):
        kept_alive(Script({"GET_PARAMETER": lambda request: ok(request, status="454 Session Not Found")}))


def test_a_camera_that_asks_is_answered() -> None:
    asked = (
        b"OPTIONS * RTSP/1.0\r\nCSeq: 41\r\n\r\nANNOUNCE rtsp://a RTSP/1.0\r\nCSeq: 42\r\nContent-Length: 3\r\n\r\nabc"
    )
    script = Script(after_play=asked + pictures(0, 3))
    with camera(script) as url:
        session = Session.open(url)
        read(session, 2)
        session.talk.keep_alive(session.talk.keep_alive_at)
        assert select.select([session.socket], [], [], 90)[0]
        session.close()
    assert b"RTSP/1.0 200 OK\r\nCSeq: 41" in script.raw
    assert b"RTSP/1.0 501 Not Implemented\r\nCSeq: 42" in script.raw


def test_a_camera_that_takes_nothing_does_not_stop_us() -> None:
    is_over = threading.Event()

    def busy(request: Request) -> bytes:
        is_over.wait(30)
        return ok(request)

    with camera(Script({"GET_PARAMETER": busy})) as url:
        session = Session.open(url)
        for _ in range(100_000):
            session.talk.keep_alive(session.talk.keep_alive_at)
            if len(session.talk._unsent) > 16_384:
                break
        else:
            pytest.fail("the kernel took it all")
        before = len(session.talk._unsent)
        session.talk.keep_alive(session.talk.keep_alive_at)
        assert len(session.talk._unsent) == before, "no more is kept than the camera might still take"
        session.close()
        is_over.set()
