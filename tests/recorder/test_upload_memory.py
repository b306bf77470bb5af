"""An upload's memory does not grow with its file, nor with its chunks."""

import os
import tracemalloc
from pathlib import Path

import httpx
import pytest

from bench.upload_sink import sink
from recorder.storage.gcs import Bucket
from recorder.storage.interface import Upload
from recorder.storage.pace import LARGEST_PIECE
from recorder.storage.patience import Patience
from tests.recorder.test_bucket import Memory

MIB = 1024 * 1024
SIZE = 2048 * MIB
CHUNK_BYTES = 64 * MIB
# Of a few pieces: one is read, one is sent, and what the system doesn't take at once is copied by asyncio.
MOST_BYTES = 8 * LARGEST_PIECE


@pytest.mark.timeout(120)
async def test_two_gigabytes_take_no_more_memory_than_a_few_pieces(
    http_client: httpx.AsyncClient, tmp_path: Path
) -> None:
    file = tmp_path / "sparse.mp4"
    file.touch()
    os.truncate(file, SIZE)
    async with sink() as url:
        bucket = Bucket(http_client, "b", None, chunk_bytes=CHUNK_BYTES, patience=Patience(), api_root=url)
        tracemalloc.start()
        try:
            # The server believes any checksum: what is measured is what is held while bytes pass through.
            await bucket.put(Upload(file, "sparse.mp4", SIZE, "AAAAAA=="), Memory())
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            await bucket.close()
    assert peak < MOST_BYTES
