"""A plain camera's stream through our own client and the shared reader."""

import asyncio
from contextlib import closing

import pytest
from av.packet import Packet
from av.stream import Stream

from camera_simulator import CameraSimulator, CameraSpec, Kind
from recorder.errors import StreamEnded
from recorder.plain_stream import PlainStream
from recorder.reader import Reader


async def test_what_came_with_the_cameras_good_bye_is_handed_over() -> None:
    reader = Reader(nap_seconds=1.0)  # the last pictures and the good-bye are read at once
    packets: list[Packet[Stream]] = []

    def take(packet: "Packet[Stream]", arrival: float) -> bool:
        packets.append(packet)
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
