"""What the recorder's tests share."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from camera_simulator.server import CameraSimulator
from camera_simulator.specs import AudioCodec, CameraSpec
from recorder.cameras import Cameras
from recorder.clock import SystemClock
from recorder.control_plane import ControlPlane, connected
from recorder.link import Link
from recorder.spool import Spool
from recorder.tokens import TokenFile, Tokens
from recorder.vault import Vault
from tests.recorder.commanded import OWN, QUICK, Box
from tests.recorder.control_plane import TOKEN, FakeControlPlane
from tests.recorder.gcs import Gcs, gcs_server
from tests.recorder.process import PASSWORD
from tests.recorder.serving import serving


@pytest.fixture
def vault() -> Vault:
    return Vault(SecretStr(TOKEN))


@pytest.fixture
def data_spool(tmp_path: Path) -> Iterator[Spool]:
    spool = Spool.open(tmp_path / "base")
    yield spool
    spool.close()


@pytest.fixture
def spool(data_spool: Spool) -> Spool:
    return data_spool


@pytest.fixture
async def gcs() -> AsyncIterator[Gcs]:
    async with gcs_server() as gcs:
        yield gcs


@pytest.fixture
async def http_client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture
def fake() -> FakeControlPlane:
    return FakeControlPlane()


@pytest.fixture
async def control_plane(fake: FakeControlPlane) -> AsyncIterator[ControlPlane]:
    async with (
        serving(fake.app()) as root,
        connected(root, SecretStr(TOKEN), Link(SystemClock().now)) as control_plane,
    ):
        yield control_plane


@pytest.fixture
async def box(fake: FakeControlPlane, spool: Spool, tmp_path: Path) -> AsyncIterator[Box]:
    tokens = Tokens(OWN, TokenFile(tmp_path, Vault(OWN), OWN))
    async with serving(fake.app()) as root, connected(root, tokens, Link(SystemClock().now)) as control_plane:
        yield Box(fake, spool, Cameras(spool, capturing=QUICK), tokens, control_plane)


@pytest.fixture
async def backend(fake: FakeControlPlane) -> AsyncIterator[str]:
    async with serving(fake.app()) as root:
        yield root


@pytest.fixture
async def camera_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    spec = CameraSpec(name="yard", audio=AudioCodec.AAC, user="viewer", password=PASSWORD, loop_seconds=4)
    async with CameraSimulator([spec], cache=tmp_path_factory.getbasetemp() / "media") as simulator:
        yield simulator.url("yard")
