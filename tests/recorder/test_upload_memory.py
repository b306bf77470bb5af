"""An upload's memory does not grow with its file."""

import os
import tracemalloc
from pathlib import Path

import httpx
import pytest

from bench.upload_sink import sink
from recorder.storage.gcs import Bucket
from recorder.storage.interface import Upload
from recorder.storage.patience import Patience
from tests.recorder.test_bucket import Memory

MIB = 1024 * 1024
CHUNK_BYTES = 8 * MIB
MOST_BYTES = 10 * MIB


async def peak_bytes(client: httpx.AsyncClient, url: str, folder: Path, size: int) -> int:
    file = folder / "sparse.mp4"
    file.touch()
    os.truncate(file, size)
    bucket = Bucket(client, "b", None, chunk_bytes=CHUNK_BYTES, patience=Patience(), api_root=url)
    tracemalloc.start()
    try:
        # The server believes any checksum: what is measured is what is held while bytes pass through.
        await bucket.put(Upload(file, "sparse.mp4", size, "AAAAAA=="), Memory())
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        await bucket.close()


@pytest.mark.timeout(120)
async def test_two_gigabytes_take_no_more_memory_than_sixteen_megabytes(
    http_client: httpx.AsyncClient, tmp_path: Path
) -> None:
    async with sink() as url:
        small = await peak_bytes(http_client, url, tmp_path, 16 * MIB)
        large = await peak_bytes(http_client, url, tmp_path, 2048 * MIB)
    assert large < MOST_BYTES
    assert large < small + 3 * MIB
