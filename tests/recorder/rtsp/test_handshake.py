"""Cameras that answer oddly: what is agreed upon, what is refused, and what is left to libav."""

import socket
import time

import pytest

from recorder.errors import (
    CameraError,
    CameraRefused,
    CameraUnreachable,
    PasswordRefused,
    UnsupportedStream,
)
from recorder.rtsp.session import Session
from recorder.rtsp.unsuited import Unsuited
from tests.recorder.rtsp.packets import FRAME, pictures
from tests.recorder.rtsp.scripted import SDP, Request, Script, camera, ok, read

SECRET = "s3cr3t"


def opened(script: Script, **options: float | bool) -> list[Request]:
    """The requests of a session that opened."""
    with camera(script) as url:
        Session.open(url, **options).close()  # type: ignore[arg-type]  # by name
    return script.requests


def failed(script: Script, *, user: str = "", open_seconds: float = 5) -> Exception:
    with camera(script) as url, pytest.raises((CameraError, Unsuited)) as caught:
        Session.open(url.replace("://", f"://{user}"), open_seconds=open_seconds)
    assert caught.value.__cause__ is None
    assert SECRET not in str(caught.value)
    return caught.value


def test_a_plain_camera_is_asked_in_order() -> None:
    requests = opened(Script())
    assert [request.method for request in requests][:5] == ["OPTIONS", "DESCRIBE", "SETUP", "SETUP", "PLAY"]
    assert requests[1].headers["accept"] == "application/sdp"
    assert [request.url.rpartition("/")[2] for request in requests[:5]] == ["odd", "odd", "video", "audio", "odd"]
    assert [request.headers["transport"].rpartition("=")[2] for request in requests[2:4]] == ["0-1", "2-3"]
    assert "session" not in requests[2].headers
    assert all(request.headers["session"] == "12345678" for request in requests[3:])
    assert [int(request.headers["cseq"]) for request in requests] == list(range(1, len(requests) + 1))


def test_without_audio_it_is_not_set_up() -> None:
    assert len([request for request in opened(Script(), with_audio=False) if request.method == "SETUP"]) == 1


@pytest.mark.parametrize(
    ("base", "address"),
    [
        ("Content-Base: rtsp://10.9.8.7/there/", "rtsp://10.9.8.7/there/video"),
        ("Content-Location: rtsp://10.9.8.7/there", "rtsp://10.9.8.7/there/video"),
        ("Content-Base: there/", None),
    ],
)
def test_tracks_are_where_the_camera_says(base: str, address: str | None) -> None:
    requests = opened(Script({"DESCRIBE": lambda request: ok(request, base, body=SDP)}))
    assert requests[2].url == (address or f"{requests[0].url}/video")


def test_the_query_of_an_address_stays_in_it_and_credentials_do_not() -> None:
    script = Script()
    with camera(script) as url:
        Session.open(f"{url.replace('://', f'://admin:{SECRET}@')}?channel=1&subtype=0").close()
    assert script.requests[0].url == f"{url}?channel=1&subtype=0"
    assert script.requests[2].url == f"{url}?channel=1&subtype=0/video"
    assert SECRET.encode() not in script.raw


def test_a_camera_may_choose_other_channels() -> None:
    channels = iter(["4-5", "0-1"])
    transport = "Transport: RTP/AVP/TCP;unicast;interleaved="
    script = Script(
        {"SETUP": lambda request: ok(request, "Session: 1", transport + next(channels))},
        after_play=pictures(4, 3) + pictures(7, 3),
    )
    with camera(script) as url:
        session = Session.open(url)
        assert [unit.ticks for unit in read(session, 2)] == [0, FRAME]
        session.close()


def test_what_comes_before_the_answer_to_play_is_not_lost() -> None:
    script = Script({"PLAY": lambda request: pictures(0, 2) + ok(request, "Session: 1")}, pictures(0, 2, first=2))
    with camera(script) as url:
        session = Session.open(url)
        assert [unit.ticks // FRAME for unit in read(session, 3)] == [0, 1, 2]
        session.close()


def test_origins_of_time_are_those_that_the_camera_names() -> None:
    info = "RTP-Info: url=rtsp://other/odd/audio;seq=1;rtptime=77,url=rtsp://other/odd/video;seq=0;rtptime=4294966296"
    script = Script({"PLAY": lambda request: ok(request, info)}, after_play=pictures(0, 3))
    with camera(script) as url:
        session = Session.open(url)
        assert [unit.ticks for unit in read(session, 2)] == [1000, 1000 + FRAME]
        session.close()


@pytest.mark.parametrize(
    ("method", "status", "kind"),
    [
        ("DESCRIBE", "401 Unauthorized", PasswordRefused),
        ("OPTIONS", "401 Unauthorized", PasswordRefused),
        ("DESCRIBE", "403 Forbidden", PasswordRefused),
        ("DESCRIBE", "404 Not Found", CameraRefused),
        ("SETUP", "453 Not Enough Bandwidth", CameraRefused),
        ("PLAY", "503 Service Unavailable", CameraRefused),
        ("DESCRIBE", "500 Internal Server Error", CameraRefused),
        ("DESCRIBE", "302 Moved Temporarily", Unsuited),
        ("DESCRIBE", "400 Bad Request", Unsuited),
        ("SETUP", "461 Unsupported Transport", Unsuited),
        ("PLAY", "455 Method Not Valid in This State", Unsuited),
        ("DESCRIBE", "505 RTSP Version Not Supported", Unsuited),
    ],
)
def test_each_refusal_has_its_meaning(method: str, status: str, kind: type[Exception]) -> None:
    script = Script({method: lambda request: ok(request, 'WWW-Authenticate: Basic realm="x"', status=status)})
    assert type(failed(script, user=f"admin:{SECRET}@")) is kind
    assert bool(script.sent("TEARDOWN")) is (method == "PLAY"), "a session that was opened is given back"


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("OPTIONS", b"220 mail.example ESMTP\r\n" * 40),
        ("OPTIONS", b"HTTP/1.1 200 OK\r\n\r\n"),
        ("OPTIONS", b"RTSP/1.0 OK\r\n\r\n"),
        ("OPTIONS", b"\xff" * 100),
        ("DESCRIBE", b"RTSP/1.0 200 OK\r\nContent-Length: -5\r\n\r\n"),
        ("DESCRIBE", b"RTSP/1.0 200 OK\r\nContent-Length: 99999999999\r\n\r\n"),
        ("DESCRIBE", b"RTSP/1.0 200 OK\r\n" + b"A: b\r\n" * 9999),
        ("OPTIONS", None),
        ("PLAY", None),
    ],
)
def test_what_speaks_no_rtsp_is_no_camera(method: str, answer: bytes | None) -> None:
    assert isinstance(failed(Script({method: lambda _: answer})), CameraUnreachable)


def test_a_camera_without_video() -> None:
    script = Script({"DESCRIBE": lambda request: ok(request, body=SDP.replace("video", "text"))})
    assert isinstance(failed(script), UnsupportedStream)


@pytest.mark.parametrize(
    "answer",
    [
        "Transport: RTP/AVP;unicast;client_port=1-2",
        "Transport: RTP/AVP/TCP;interleaved=300-301",
        "Transport: RTP/AVP/TCP;interleaved=0-1",
        "",
    ],
    ids=["by UDP", "no such channel", "twice the same channel", "no session"],
)
def test_an_odd_agreement_is_for_libav(answer: str) -> None:
    session = "Session: 5" if answer else ""
    assert isinstance(failed(Script({"SETUP": lambda request: ok(request, session, answer)})), Unsuited)


@pytest.mark.parametrize(
    "url",
    [
        "rtsps://10.0.0.1/a",
        "http://10.0.0.1/a",
        "rtsp:///a",
        "rtsp://10.0.0.1:99999/a",
        "rtsp://[::1/a",
        "/a.mp4",
        "rtsp://10.0.0.1/ä",
        "rtsp://10.0.0.1/a b",
        "rtsp://a%0d%0ab:c@10.0.0.1/a",
    ],
)
def test_an_odd_address_is_for_libav(url: str) -> None:
    with pytest.raises(Unsuited):
        Session.open(url)


def test_nobody_at_the_address() -> None:
    with pytest.raises(CameraUnreachable, match="refused"):
        Session.open("rtsp://127.0.0.1:1/a")
    with pytest.raises(CameraUnreachable):
        Session.open("rtsp://no-such-camera.invalid/a")


def test_the_limit_is_for_all_answers_together() -> None:
    def slow(request: Request) -> bytes:
        time.sleep(1)
        return ok(request, "Session: 1", body=SDP if request.method == "DESCRIBE" else "")

    script = Script(dict.fromkeys(("OPTIONS", "DESCRIBE", "SETUP", "PLAY"), slow))
    error = failed(script, open_seconds=2)
    assert isinstance(error, CameraUnreachable)
    assert "in time" in str(error)
    assert not script.sent("PLAY"), "each answer by itself came in time"


def test_a_camera_that_never_answers_has_the_same_limit() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(CameraUnreachable, match="in time"):
        Session.open(f"rtsp://127.0.0.1:{server.getsockname()[1]}/a", open_seconds=0.3)
