"""Uploads beside the plainest thing that could bring the same files: `python -m bench.upload FOLDER URL`.

Both read each segment from the disk and send it over loopback with httpx to the same server, four at a time. Ours opens
a session for each, remembers it, sends chunks, and compares the checksum that comes back.
"""

import asyncio
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import httpx

from bench.results import Result, at_least, compared
from bench.upload_sink import sink
from recorder.memory import give_back_what_is_freed
from recorder.storage.gcs import Bucket
from recorder.storage.interface import Upload, checksum
from recorder.storage.patience import Patience

SEGMENT_BYTES = 8 * 1024 * 1024
FILES, TIMES, PARALLEL, ROUNDS = 16, 4, 4, 7
GOAL = 0.9
GIGABYTE = 1e9


async def upload(folder: Path) -> list[Result]:
    """Bytes a second and CPU a gigabyte, in rounds that alternate; the middle of each."""
    await asyncio.to_thread(_make_files, folder)
    async with sink() as url:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.upload", folder, url, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"the uploading process ended with {process.returncode}")
    told: dict[str, list[list[float]]] = json.loads(out)
    (ours, our_cpu), (bare, bare_cpu), (ready, _) = (
        [statistics.median(figures) for figures in zip(*told[name], strict=True)] for name in ("ours", "bare", "ready")
    )
    return [
        at_least("upload.throughput", ours / 1e6, "MB/s", bare / 1e6, GOAL),
        compared("upload.cpu_per_gb", our_cpu, "s/GB", bare_cpu),
        at_least("upload.throughput.beside_bytes_in_memory", ours / 1e6, "MB/s", ready / 1e6),
    ]


def _make_files(folder: Path) -> None:
    for number in range(FILES):
        (folder / f"{number}.mp4").write_bytes(os.urandom(SEGMENT_BYTES))


class _Remembered:
    """A session's address, in memory: the spool's share is that of any row."""

    def __init__(self) -> None:
        self._uri: str | None = None

    async def recall(self) -> str | None:
        return self._uri

    async def remember(self, uri: str | None) -> None:
        self._uri = uri


async def _measure(folder: Path, url: str) -> dict[str, list[tuple[float, float]]]:
    paths = [folder / f"{number}.mp4" for number in range(FILES)]
    uploads = [Upload(path, path.name, SEGMENT_BYTES, checksum(path, SEGMENT_BYTES)) for path in paths] * TIMES
    contents = {upload.path: upload.path.read_bytes() for upload in uploads}
    figures: dict[str, list[tuple[float, float]]] = {"ours": [], "bare": [], "ready": []}
    async with httpx.AsyncClient() as client:
        bucket = Bucket(client, "bench", None, chunk_bytes=SEGMENT_BYTES, patience=Patience(), api_root=url)

        async def ours(upload: Upload) -> None:
            await bucket.put(upload, _Remembered())

        async def bare(upload: Upload) -> None:
            content = await asyncio.to_thread(upload.path.read_bytes)
            (await client.put(f"{url}/{upload.object_name}", content=content)).raise_for_status()

        async def ready(upload: Upload) -> None:
            (await client.put(f"{url}/{upload.object_name}", content=contents[upload.path])).raise_for_status()

        ways: dict[str, Callable[[Upload], Awaitable[None]]] = {"ours": ours, "bare": bare, "ready": ready}
        for number in range(ROUNDS + 1):
            for name, way in ways.items():
                figure = await _figure(way, uploads)
                if number:  # the first warms up
                    figures[name].append(figure)
        await bucket.close()
    return figures


async def _figure(way: Callable[[Upload], Awaitable[None]], uploads: Sequence[Upload]) -> tuple[float, float]:
    """Bytes a second, and CPU seconds a gigabyte."""

    async def work(share: Sequence[Upload]) -> None:
        for upload in share:
            await way(upload)

    begun, cpu = time.perf_counter(), _cpu_seconds()
    async with asyncio.TaskGroup() as workers:
        for number in range(PARALLEL):
            workers.create_task(work(uploads[number::PARALLEL]))
    size = len(uploads) * SEGMENT_BYTES
    return size / (time.perf_counter() - begun), (_cpu_seconds() - cpu) / (size / GIGABYTE)


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    give_back_what_is_freed()  # as the program does
    sys.stdout.write(json.dumps(asyncio.run(_measure(Path(sys.argv[1]), sys.argv[2]))))
