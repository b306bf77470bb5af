"""What ten thousand segments leave behind in a recorder's process: memory, descriptors, threads, the spool's file.

Real packets go through the real writer, sealing, uploads to a folder and retention, as fast as the machine does it, in
a process of their own: `python -m bench.fast_forward FOLDER COUNT...`.
"""

import asyncio
import ctypes
import json
import logging
import random
import shutil
import sys
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import UUID

import av
import structlog
from av.video.stream import VideoStream
from pydantic import SecretStr
from uuid_utils.compat import uuid7

from bench.results import Result, compared
from recorder.clock import SystemClock
from recorder.memory import give_back_what_is_freed
from recorder.retention import Reserve, Retention, disk_space
from recorder.sealing import Sealer
from recorder.segments import SegmentWriter
from recorder.spool import Recording, SegmentState, Spool
from recorder.storage.files import Folder
from recorder.tracks import Tracks
from recorder.turns import Turns
from recorder.uplink import Uplink
from recorder.uploads import Uploads
from recorder.vault import Vault

EARLY, LATE = 1000, 10_000
MEMORY_GOAL, FLAT = 1.1, 1.0
CAMERAS = 4
AT_ONCE = 40
"""Segments between two looks at what is left of them."""
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own in it


@dataclass(frozen=True, slots=True)
class Sample:
    """The process when all that it recorded so far is uploaded and deleted."""

    segments: int
    memory_bytes: int
    """Of its own and in use: without what the allocator keeps for later, which goes up and down by a fifth, and without
    the share of libraries, which depends on who else uses them."""
    kept_bytes: int
    """With what the allocator keeps."""
    descriptors: int
    threads: int
    file_bytes: int


async def fast_forward(folder: Path) -> list[Result]:
    """After ten thousand segments as after one thousand."""
    early, late = await samples(folder, EARLY, LATE)
    name = f"recorder.fast_forward.{LATE}"
    return [
        compared(f"{name}.memory", late.memory_bytes / 1e6, "MB", early.memory_bytes / 1e6, MEMORY_GOAL),
        compared(f"{name}.memory_kept", late.kept_bytes / 1e6, "MB", early.kept_bytes / 1e6),
        compared(f"{name}.descriptors", late.descriptors, "", early.descriptors, FLAT),
        compared(f"{name}.threads", late.threads, "", early.threads, FLAT),
        compared(f"{name}.spool_file", late.file_bytes / 1e6, "MB", early.file_bytes / 1e6, MEMORY_GOAL),
    ]


async def samples(otherwise: Path, *counts: int) -> list[Sample]:
    """Of a process that lives through the largest of the counts, its files in memory where there is some."""
    with ExitStack() as stack:
        in_memory = _MEMORY if await asyncio.to_thread(_MEMORY.is_dir) else otherwise
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=in_memory))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.fast_forward", folder, *map(str, counts), stdout=asyncio.subprocess.PIPE
        )
        try:
            out, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode:
        raise RuntimeError(f"the recording process ended with {process.returncode}")
    return [Sample(**json.loads(line)) for line in out.decode().splitlines()]


async def live(base: Path, counts: list[int]) -> AsyncIterator[Sample]:
    """Records segment after segment; a sample at each count."""
    clip, store = base / "clip.mp4", base / "store"
    store.mkdir()
    await asyncio.to_thread(make_clip, clip)
    clock, sealer = SystemClock(), Sealer()
    with closing(Spool.open(base / "spool")) as spool:
        uplink = Uplink(clock)
        uploads = Uploads(
            spool,
            Folder(store),
            Vault(SecretStr("nothing is kept with it")),
            clock=clock,
            uplink=uplink,
            turns=Turns(spool, uplink, clock=clock, newest_first=True),
            parallel=4,
            on_uploaded=lambda: None,
        )
        retention = Retention(
            spool,
            clock=clock,
            keep=timedelta(0),
            reserve=Reserve(0, 0),
            measure=partial(disk_space, base),
            on_gap=lambda: None,
        )
        recordings = [Recording(uuid7(), uuid7(), None, "Always", clock.now()) for _ in range(CAMERAS)]
        for recording in recordings:
            await asyncio.to_thread(spool.recordings.begin, recording)
        background = [asyncio.create_task(uploads.run()), asyncio.create_task(retention.run())]
        done = 0
        for count in counts:
            while done < count:
                batch = min(AT_ONCE, count - done)
                await asyncio.to_thread(_record, spool, sealer, clip, recordings, batch)
                await _until_gone(spool, uploads, retention, store)
                done += batch
            yield await asyncio.to_thread(_sample, done, spool)
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        sealer.close(10)


def _record(spool: Spool, sealer: Sealer, clip: Path, recordings: list[Recording], count: int) -> None:
    sealed = threading.Semaphore(0)
    for number in range(count):
        recording = recordings[number % len(recordings)]
        writer = _written(spool, clip, recording.id, recording.camera_id)

        def seal(writer: SegmentWriter = writer) -> None:
            try:
                writer.seal(writer.segment.opened_at, writer.segment.opened_at + timedelta(seconds=1))
            finally:
                sealed.release()

        sealer.submit(recording.camera_id, seal)
    for _ in range(count):
        sealed.acquire()


def _written(spool: Spool, clip: Path, recording_id: UUID, camera_id: UUID) -> SegmentWriter:
    with av.open(str(clip)) as source:
        video = source.streams.video[0]
        writer = SegmentWriter(spool, recording_id, camera_id, SystemClock().now(), 0.0, Tracks(video, None))
        for packet in source.demux():
            if packet.size and packet.dts is not None:
                writer.write_video(packet, float(packet.dts * packet.time_base))
    return writer


async def _until_gone(spool: Spool, uploads: Uploads, retention: Retention, store: Path) -> None:
    """Until all that was sealed is uploaded, proven and deleted; the store, too, forgets what it has."""
    while True:
        uploads.wake()
        uploaded = await asyncio.to_thread(spool.segments.in_state, SegmentState.UPLOADED)
        await asyncio.to_thread(spool.segments.mark_stored, [segment.id for segment in uploaded])
        retention.wake()
        if not any((await asyncio.to_thread(spool.segments.counts)).values()):
            break
        await asyncio.sleep(0.01)
    for path in await asyncio.to_thread(lambda: list(store.iterdir())):
        await asyncio.to_thread(shutil.rmtree, path)


def _sample(done: int, spool: Spool) -> Sample:
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    file_bytes = (spool.base / "spool.sqlite3").stat().st_size
    kept = _own_bytes()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's own
    if trim is not None:
        trim(0)
    memory = _own_bytes()
    return Sample(done, memory, kept, descriptors, threading.active_count(), file_bytes)


def _own_bytes() -> int:
    """Anonymous memory, proc_pid_smaps(5)."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Anonymous:"))


def make_clip(path: Path) -> None:
    """A second of H.264."""
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=25)
        assert isinstance(video, VideoStream)  # noqa: S101 - for the types
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        noise = random.Random(1)  # noqa: S311 - pictures that don't compress
        for _ in range(25):
            frame = av.VideoFrame(320, 180, "yuv420p")
            for plane in frame.planes:
                plane.update(noise.randbytes(plane.buffer_size))
            output.mux(video.encode(frame))
        output.mux(video.encode(None))


async def _main() -> None:
    give_back_what_is_freed()  # as the program does
    # Standard output is for the samples.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    async for sample in live(Path(sys.argv[1]), [int(count) for count in sys.argv[2:]]):
        sys.stdout.write(json.dumps(asdict(sample)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_main())
