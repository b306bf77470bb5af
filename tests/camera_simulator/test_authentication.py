"""Whom a camera lets in."""

from collections.abc import AsyncIterator
from pathlib import Path

import av
import pytest

from camera_simulator import Authentication, CameraSimulator, CameraSpec
from tests.camera_simulator.rtsp_client import connected
from tests.camera_simulator.viewing import watch

AWKWARD = "p w@:/%?#"
SPECS = [
    CameraSpec(
        name=scheme,
        picture_name="x",
        gop_frames=5,
        loop_seconds=1,
        user="us er@",
        password=AWKWARD,
        authentication=scheme,
    )
    for scheme in (Authentication.BASIC, Authentication.DIGEST)
]


@pytest.fixture(scope="module")
async def simulator(media_cache: Path) -> AsyncIterator[CameraSimulator]:
    async with CameraSimulator(SPECS, cache=media_cache) as running:
        yield running


@pytest.mark.parametrize("scheme", ["basic", "digest"])
async def test_the_right_password_opens(simulator: CameraSimulator, scheme: str) -> None:
    watched = await watch(simulator.url(scheme), 2)
    assert len(watched.digests) == 2
    await simulator.camera(scheme).wait_for_request("DESCRIBE", 401)
    await simulator.camera(scheme).wait_for_request("DESCRIBE", 200)


@pytest.mark.parametrize("scheme", ["basic", "digest"])
async def test_a_wrong_password_does_not(simulator: CameraSimulator, scheme: str) -> None:
    camera = simulator.camera(scheme)
    url = simulator.url(scheme)
    camera.change_password("another")
    with pytest.raises(av.HTTPUnauthorizedError):
        await watch(url)
    camera.change_password(AWKWARD)
    assert len((await watch(url, 2)).digests) == 2


@pytest.mark.parametrize("scheme", ["basic", "digest"])
async def test_no_password_gets_the_challenge_of_the_scheme(simulator: CameraSimulator, scheme: str) -> None:
    async with connected(simulator.url(scheme, credentials=False)) as client:
        for method in ("DESCRIBE", "SETUP", "PLAY"):
            reply = await client.ask(method, Transport="RTP/AVP/TCP;interleaved=0-1")
            assert reply.status == 401
            assert reply.headers["WWW-Authenticate"].lower().startswith(f"{scheme} realm=")
        assert (await client.ask("OPTIONS")).status == 200


@pytest.mark.parametrize(
    "credentials",
    ["", "Digest", "Digest x", 'Digest username="', "Basic !!", "Basic \xff", "Bearer abc", "Digest a=b, ,"],
)
async def test_garbage_for_credentials_is_refused(simulator: CameraSimulator, credentials: str) -> None:
    for scheme in ("basic", "digest"):
        async with connected(simulator.url(scheme, credentials=False)) as client:
            assert (await client.ask("DESCRIBE", Authorization=credentials)).status == 401


async def test_digest_answers_are_good_for_one_connection_only(simulator: CameraSimulator) -> None:
    nonces = set()
    for _ in range(2):
        async with connected(simulator.url("digest", credentials=False)) as client:
            nonces.add((await client.ask("DESCRIBE")).headers["WWW-Authenticate"])
    assert len(nonces) == 2
