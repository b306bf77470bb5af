"""The dialogue of RTSP, told by a client that can also be rude."""

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from camera_simulator import Camera, CameraSimulator, CameraSpec
from tests.camera_simulator.rtsp_client import RtspClient, connected

SPEC = CameraSpec(name="yard", gop_frames=5, loop_seconds=1)
IMPATIENT = CameraSpec(
    name="impatient",
    picture_name="yard",
    gop_frames=5,
    loop_seconds=1,
    session_timeout_seconds=2,
    starts_at_keyframe=False,
)
TCP = "RTP/AVP/TCP;unicast;interleaved=0-1"


@pytest.fixture(scope="module")
async def simulator(media_cache: Path) -> AsyncIterator[CameraSimulator]:
    async with CameraSimulator([SPEC, IMPATIENT], cache=media_cache) as running:
        yield running


@pytest.fixture
def camera(simulator: CameraSimulator) -> Camera:
    return simulator.camera("yard")


async def test_options_name_every_method(simulator: CameraSimulator) -> None:
    async with connected(simulator.url("yard")) as client:
        reply = await client.ask("OPTIONS")
    assert reply.status == 200
    assert {"DESCRIBE", "SETUP", "PLAY", "PAUSE", "GET_PARAMETER", "SET_PARAMETER", "TEARDOWN"} <= set(
        reply.headers["Public"].split(", ")
    )
    assert reply.headers["CSeq"] == "1"


async def test_an_unknown_camera_is_not_found(simulator: CameraSimulator) -> None:
    async with connected(simulator.url("yard") + "-not") as client:
        assert (await client.ask("DESCRIBE")).status == 404


async def test_an_unknown_method_is_not_implemented(simulator: CameraSimulator) -> None:
    async with connected(simulator.url("yard")) as client:
        assert (await client.ask("RECORD")).status == 501


async def test_an_unknown_track_is_not_found(simulator: CameraSimulator) -> None:
    async with connected(simulator.url("yard")) as client:
        assert (await client.ask("SETUP", "/track7", Transport=TCP)).status == 404
        assert (await client.ask("SETUP", "", Transport=TCP)).status == 459


async def test_multicast_is_an_unsupported_transport(simulator: CameraSimulator) -> None:
    async with connected(simulator.url("yard")) as client:
        assert (await client.ask("SETUP", "/track0", Transport="RTP/AVP;multicast")).status == 461


async def test_play_without_or_with_a_foreign_session_is_refused(simulator: CameraSimulator) -> None:
    async with connected(simulator.url("yard")) as client:
        assert (await client.ask("PLAY")).status == 454
        await client.ask("SETUP", "/track0", Transport=TCP)
        assert (await client.ask("PLAY", Session="0123")).status == 454


async def test_rtp_info_names_the_first_packet(simulator: CameraSimulator) -> None:
    async with connected(simulator.url("yard")) as client:
        session = (await client.ask("SETUP", "/track0", Transport=TCP)).headers["Session"].partition(";")[0]
        reply = await client.ask("PLAY", Session=session)
        url, seq, rtptime = reply.headers["RTP-Info"].split(";")
        channel, report = await client.packet()
        assert (channel, report[1]) == (1, 200)
        ntp_seconds, ntp_fraction, report_time = struct.unpack("!III", report[8:20])
        channel, packet = await client.packet()
    sequence, timestamp, _ = struct.unpack("!HII", packet[2:12])
    assert channel == 0
    # The report ties the same clock to the time of day.
    assert ntp_seconds + ntp_fraction / 2**32 - 2_208_988_800 == pytest.approx(time.time(), abs=60)
    assert 0 <= (report_time - timestamp) % 2**32 < 60 * 90_000
    assert url == f"url={simulator.url('yard')}/track0"
    assert (seq, rtptime) == (f"seq={sequence}", f"rtptime={timestamp}")


async def test_a_paused_session_goes_on_with_the_next_sequence_number(
    simulator: CameraSimulator, camera: Camera
) -> None:
    async with connected(simulator.url("yard")) as client:
        session = await client.play()
        await camera.wait_for_sent(3)
        assert (await client.ask("PAUSE", Session=session)).status == 200
        await camera.wait_for_viewers(0)
        reply = await client.ask("PLAY", Session=session)
        expected = int(reply.headers["RTP-Info"].split("seq=")[1].split(";")[0])
        packets = [await client.packet() for _ in range(3)]
    first = next(data for channel, data in packets if channel == 0)
    assert struct.unpack("!H", first[2:4]) == (expected,)


async def test_teardown_ends_the_connection(simulator: CameraSimulator, camera: Camera) -> None:
    async with connected(simulator.url("yard")) as client:
        session = await client.play()
        await camera.wait_for_viewers(1)
        client.send("TEARDOWN", Session=session)
        assert await client.ended()
        await camera.wait_for_viewers(0)


async def test_a_udp_viewer_without_sign_of_life_is_given_up(simulator: CameraSimulator) -> None:
    camera = simulator.camera("impatient")
    async with connected(simulator.url("impatient")) as client:
        with _udp_pair() as (rtp, rtcp):
            await client.play(f"RTP/AVP;unicast;client_port={rtp}-{rtcp}")
            await camera.wait_for_viewers(1)
            assert await client.ended()
            await camera.wait_for_viewers(0)


@pytest.mark.parametrize("sign", ["GET_PARAMETER", "rtcp"])
async def test_a_sign_of_life_keeps_a_session(simulator: CameraSimulator, sign: str) -> None:
    camera = simulator.camera("impatient")
    async with connected(simulator.url("impatient")) as client:
        session = await client.play()
        # Twice as long as the session would last by itself, counted by the camera's own pictures.
        for _ in range(2 * IMPATIENT.session_timeout_seconds * SPEC.fps // 5):
            await camera.wait_for_sent(5)
            if sign == "rtcp":
                client.writer.write(b"$\x01\x00\x08" + struct.pack("!BBHI", 0x80, 201, 1, 1))
            else:
                client.send("GET_PARAMETER", Session=session)
        assert len(camera.viewers) == 1
    await camera.wait_for_viewers(0)


@pytest.mark.parametrize(
    "noise",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"\xff\xfe\x00\r\n\r\n",
        b"OPTIONS rtsp://[ RTSP/1.0\r\n\r\n",
        b"DESCRIBE * RTSP/1.0\r\nContent-Length: -1\r\n\r\n",
        b"DESCRIBE * RTSP/1.0\r\nContent-Length: 99999999\r\n\r\n",
        b"DESCRIBE * RTSP/1.0\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n",
        b"x" * 100_000,
    ],
)
async def test_noise_is_answered_with_bad_request_and_harms_nobody(simulator: CameraSimulator, noise: bytes) -> None:
    async with connected(simulator.url("yard")) as client:
        client.writer.write(noise)
        assert (await client.reply()).status == 400
    async with connected(simulator.url("yard")) as client:
        assert (await client.ask("DESCRIBE")).status == 200


async def test_a_client_that_asks_and_never_reads_is_dropped(simulator: CameraSimulator, camera: Camera) -> None:
    async with connected(simulator.url("yard")) as client:
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # the stream's transport reads, too
        with pytest.raises(ConnectionError):
            await _ask_for_ever(client)
    async with connected(simulator.url("yard")) as client:
        assert (await client.ask("DESCRIBE")).status == 200


async def test_the_simulator_ends_with_silent_connections_open(media_cache: Path) -> None:
    async with CameraSimulator([SPEC], cache=media_cache) as simulator:
        url = simulator.url("yard")
        async with connected(url) as silent:
            async with connected(url) as client:
                assert (await client.ask("OPTIONS")).status == 200
            async with asyncio.timeout(30):
                await simulator.__aexit__(None, None, None)
            await silent.ended()


async def _ask_for_ever(client: RtspClient) -> None:
    async with asyncio.timeout(30):
        while True:
            client.writer.write(b"DESCRIBE %b RTSP/1.0\r\nCSeq: 1\r\n\r\n" % client.url.encode() * 1000)
            await client.writer.drain()


class _udp_pair:  # noqa: N801 - reads as the function it stands for
    """Two neighbouring ports that stay taken and are never answered from."""

    def __enter__(self) -> tuple[int, int]:
        while True:
            self._sockets = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(2)]
            self._sockets[0].bind(("127.0.0.1", 0))
            port = self._sockets[0].getsockname()[1]
            try:
                self._sockets[1].bind(("127.0.0.1", port + 1))
            except OSError:
                self.__exit__()
                continue
            return port, port + 1

    def __exit__(self, *_: object) -> None:
        for each in self._sockets:
            each.close()
