"""A plain camera's stream through our own client and the shared reader."""

import asyncio
import gc
import io
import threading
from collections.abc import Iterable
from contextlib import closing

import av
import pytest

from camera_simulator import CameraSimulator, CameraSpec, Kind
from recorder.errors import StreamEnded, StreamStalled
from recorder.plain_stream import PlainStream
from recorder.reader import Reader
from recorder.rtsp.units import AccessUnit
from recorder.samples import Sample
from tests.recorder.rtsp.packets import FRAME, VIDEO_REPORTS, Sender, frame, pictures
from tests.recorder.rtsp.scripted import Script, camera
from tests.recorder.waiting import until


async def test_what_came_with_the_cameras_good_bye_is_handed_over() -> None:
    reader = Reader(nap_seconds=1.0)  # the last pictures and the good-bye are read at once
    packets: list[Sample] = []

    def take(samples: Iterable[Sample], arrival: float) -> bool:
        packets.extend(samples)
        return True

    def watch(url: str) -> None:
        with closing(PlainStream.open(url, reader, open_seconds=10, read_seconds=10, is_wanted=lambda: True)) as stream:
            stream.read(take, lambda: True)

    async with CameraSimulator([CameraSpec(name="yard", loop_seconds=1)], port=0) as simulator:
        camera = simulator.camera("yard")
        watching = asyncio.create_task(asyncio.to_thread(watch, simulator.url("yard")))
        await camera.wait_for_sent(30)
        camera.end_stream()
        with pytest.raises(StreamEnded):
            await watching
        sent = len(camera.sent(Kind.VIDEO))
    reader.close()
    assert len(packets) == sent


async def test_a_disk_that_stands_still_for_longer_than_a_sessions_timeout_ends_no_session() -> None:
    reader, stands_still, may_go_on, is_wanted = Reader(), threading.Event(), threading.Event(), threading.Event()
    is_wanted.set()
    taken = 0

    def take(samples: Iterable[Sample], _arrival: float) -> bool:
        nonlocal taken
        if threading.current_thread().name == "muxer":
            stands_still.set()
            may_go_on.wait(60)
            taken += len(list(samples))
        return is_wanted.is_set()

    def watch(url: str) -> None:
        with closing(
            PlainStream.open(url, reader, open_seconds=10, read_seconds=10, is_wanted=is_wanted.is_set)
        ) as stream:
            stream.read(take, lambda: True)

    # A sign of life at every half timeout: six of them are three timeouts.
    async with CameraSimulator(
        [CameraSpec(name="yard", loop_seconds=1, session_timeout_seconds=2)], port=0
    ) as simulator:
        camera = simulator.camera("yard")
        watching = asyncio.create_task(asyncio.to_thread(watch, simulator.url("yard")))
        await until(stands_still.is_set)
        camera.requests.clear()
        await until(lambda: [each.method for each in camera.requests].count("GET_PARAMETER") >= 6)
        sent = len(camera.sent(Kind.VIDEO))
        may_go_on.set()
        await camera.wait_for_sent(25)
        await until(lambda: taken > sent)
        is_wanted.clear()
        await watching
        assert {each.method for each in camera.requests} == {"GET_PARAMETER", "TEARDOWN"}
    reader.close()


REPORT = frame(VIDEO_REPORTS, bytes.fromhex("80c80006") + bytes(24))


def keyframe() -> bytes:
    """A picture that can be decoded, and the beginning of the next."""
    file = io.BytesIO()
    with av.open(file, "w", format="h264") as output:
        track = output.add_stream("libx264", rate=25, options={"tune": "zerolatency"})
        track.width, track.height, track.pix_fmt = 64, 48, "yuv420p"
        output.mux(track.encode(av.VideoFrame(64, 48, "yuv420p")))
        output.mux(track.encode(None))
    sender = Sender(sequence=0)
    units = [unit.rstrip(b"\0") for unit in file.getvalue().split(b"\0\0\1") if unit.strip(b"\0")]
    return b"".join(sender.packet(unit, 0) for unit in units) + sender.packet(b"\x41\x9a", FRAME)


@pytest.mark.parametrize(
    "begun", [b"", pictures(0, 2), keyframe()], ids=["nothing", "no keyframe", "while it is recorded"]
)
def test_a_camera_that_goes_on_talking_and_sends_no_picture_is_a_stall(begun: bytes) -> None:
    reader = Reader()

    def watch(url: str) -> None:
        opened = PlainStream.open(
            url, reader, with_audio=False, open_seconds=10, read_seconds=0.5, is_wanted=lambda: True
        )
        with closing(opened) as stream:
            stream.read(lambda packet, arrival: True, lambda: True)

    with camera(Script(after_play=begun, chatter=REPORT)) as url, pytest.raises(StreamStalled, match="neither"):
        watch(url)
    reader.close()


def test_who_is_let_go_while_pictures_come_waits_for_no_keyframe() -> None:
    reader, playing = Reader(), threading.Event()
    with camera(Script(after_play=pictures(0, 3), chatter=pictures(0, 3))) as url:
        with pytest.raises(StreamEnded, match="Nobody wants"):
            PlainStream.open(
                url,
                reader,
                with_audio=False,
                open_seconds=10,
                read_seconds=10,
                is_wanted=lambda: not playing.is_set(),
                on_playing=playing.set,
            )
        assert playing.is_set()
    reader.close()


async def test_no_picture_stays_in_memory_once_it_is_handed_over() -> None:
    """A keyframe of each camera, held by the thread that waits for the connection's end, is half a megabyte."""
    reader = Reader(nap_seconds=60)  # what the first round brings is all that comes
    is_wanted = threading.Event()
    is_wanted.set()
    others = access_units()
    async with CameraSimulator([CameraSpec(name="yard", loop_seconds=1)], port=0) as simulator:
        stream = await asyncio.to_thread(
            PlainStream.open,
            simulator.url("yard"),
            reader,
            open_seconds=10,
            read_seconds=10,
            is_wanted=is_wanted.is_set,
        )
        reading = asyncio.create_task(asyncio.to_thread(stream.read, lambda _packet, _arrival: True, lambda: True))
        await until(lambda: not access_units().keys() - others.keys())
        is_wanted.clear()
        stream.interrupt()
        await reading
        await asyncio.to_thread(stream.close)
    reader.close()


def access_units() -> dict[int, AccessUnit]:
    """All that there are in this process, by their identity."""
    return {id(each): each for each in gc.get_objects() if isinstance(each, AccessUnit)}
