"""A damaged TLS record is an interruption like any other: httpx lets it through as an error of the ssl module."""

from pathlib import Path

import httpx
import pytest

from camfleet_contract.heartbeats import Heartbeat
from recorder.control_plane import ControlPlane
from recorder.errors import ControlPlaneUnreachable, StorageUnavailable
from recorder.link import Link
from recorder.storage.gcs import Bucket
from recorder.storage.pace import UNIT_BYTES, Pace
from recorder.storage.resumable import ResumableUpload
from tests.recorder.spoilt_tls import spoilt_tls
from tests.recorder.spooled import NOON
from tests.recorder.test_bucket import QUICK, Memory, segment


async def test_an_upload_is_tried_again(tmp_path: Path) -> None:
    async with spoilt_tls(tmp_path) as (url, trust), httpx.AsyncClient(verify=trust) as client:
        upload = ResumableUpload(client, url, segment(tmp_path), Pace(UNIT_BYTES, QUICK.silence), QUICK)
        with pytest.raises(StorageUnavailable, match="SSLError"):
            await upload.run(is_new=False)


async def test_a_bucket_is_out_of_reach(tmp_path: Path) -> None:
    async with spoilt_tls(tmp_path) as (url, trust), httpx.AsyncClient(verify=trust) as client:
        bucket = Bucket(client, "b", None, chunk_bytes=UNIT_BYTES, patience=QUICK, api_root=url)
        with pytest.raises(StorageUnavailable, match="SSLError"):
            await bucket.check()
        with pytest.raises(StorageUnavailable, match="SSLError"):
            await bucket.put(segment(tmp_path), Memory())
        await bucket.close()


async def test_the_control_plane_is_out_of_reach(tmp_path: Path) -> None:
    async with spoilt_tls(tmp_path) as (url, trust), httpx.AsyncClient(verify=trust, base_url=url) as client:
        control_plane = ControlPlane(client, Link(lambda: NOON))
        with pytest.raises(ControlPlaneUnreachable, match="no answer"):
            await control_plane.heartbeat(Heartbeat())
