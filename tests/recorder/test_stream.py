"""Streams that can't be opened or break off: in the recorder's own words, and without a password."""

import asyncio
import socket
import threading
import time
import wave
from pathlib import Path

import pytest

from camera_simulator import CameraSimulator, CameraSpec
from recorder.errors import (
    CameraError,
    CameraRefused,
    CameraUnreachable,
    PasswordRefused,
    StreamEnded,
    StreamStalled,
    UnsupportedStream,
)
from recorder.redaction import redacted
from recorder.stream import CameraStream
from tests.recorder.footage import make_clip

SECRET = "s3cr%40t!"


def opened(url: str) -> CameraError:
    with pytest.raises(CameraError) as caught:
        CameraStream.open(url, open_seconds=1, read_seconds=1).close()
    assert caught.value.__cause__ is None
    assert "s3cr" not in str(caught.value)
    return caught.value


def test_nobody_at_the_address() -> None:
    assert isinstance(opened(f"rtsp://admin:{SECRET}@127.0.0.1:1/stream"), CameraUnreachable)


def test_a_server_that_accepts_and_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = opened(f"rtsp://admin:{SECRET}@127.0.0.1:{silent.getsockname()[1]}/stream")
    assert isinstance(error, CameraUnreachable)
    assert "did not answer" in str(error)


def test_a_server_that_speaks_something_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 mail.example ESMTP\r\n" * 40)

        thread = threading.Thread(target=answer)
        thread.start()
        error = opened(f"rtsp://admin:{SECRET}@127.0.0.1:{server.getsockname()[1]}/stream")
        thread.join()
    assert isinstance(error, CameraUnreachable)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("401 Unauthorized", PasswordRefused),
        ("403 Forbidden", PasswordRefused),
        ("404 Not Found", CameraRefused),
        ("453 Not Enough Bandwidth", CameraRefused),
        ("503 Service Unavailable", CameraRefused),
    ],
)
def test_what_a_camera_answers_decides_the_error(status: str, kind: type[CameraError]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                while request := connection.recv(4000).decode():
                    sequence = request.partition("CSeq:")[2].split("\r\n")[0]
                    code = "200 OK" if request.startswith("OPTIONS") else status
                    connection.sendall(f"RTSP/1.0 {code}\r\nCSeq:{sequence}\r\n\r\n".encode())

        thread = threading.Thread(target=answer)
        thread.start()
        error = opened(f"rtsp://admin:{SECRET}@127.0.0.1:{server.getsockname()[1]}/stream")
        thread.join()
    assert type(error) is kind


def test_a_file_of_sound_is_no_video(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\0\0" * 8000)
    assert isinstance(opened(str(tmp_path / "a.wav")), UnsupportedStream)


def test_the_end_of_a_stream_is_an_error_not_silence(tmp_path: Path) -> None:
    stream = CameraStream.open(str(make_clip(tmp_path / "a.mov", seconds=1)))
    with pytest.raises(StreamEnded):
        list(stream.packets())
    stream.close()


async def test_a_silent_camera_is_a_stall_within_twice_the_limit() -> None:
    def read(url: str) -> float:
        stream = CameraStream.open(url, read_seconds=1)
        last = time.monotonic()
        try:
            for _ in stream.packets():
                last = time.monotonic()
        except StreamStalled:
            return time.monotonic() - last
        finally:
            stream.close()
        raise AssertionError

    async with CameraSimulator([CameraSpec(name="yard")], port=0) as simulator:
        reading = asyncio.create_task(asyncio.to_thread(read, simulator.url("yard")))
        await simulator.camera("yard").wait_for_sent(30)
        simulator.camera("yard").stall()
        assert await reading <= 2.5


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://admin:s3cret@10.0.0.1/a: refused",
        "[Errno 1] 'rtsp://admin:s3cret@10.0.0.1:554/a?x=1'",
        "http://cam/?user=admin&pwd=s3cret&x=1",
        "RTSPS://a:s3c:ret@s3cret@host/",
        "Authorization failed for s3cret",
    ],
)
def test_no_text_keeps_a_password(text: str) -> None:
    assert "s3cret" not in redacted(text, url="rtsp://admin:s3cret@10.0.0.1/a")
