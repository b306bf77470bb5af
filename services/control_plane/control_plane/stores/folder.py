"""A folder as a store: a mounted disk, or the demo's."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

from control_plane.stores.folder_files import examined, pages, parts_of, piece_of, stored_object, tail_of, unlink
from control_plane.stores.interface import (
    Examined,
    ListedObject,
    NewUpload,
    NoSuchObjectError,
    OpenedUpload,
    Removal,
    StoredObject,
    StoreUnavailableError,
    UploadsNotBrokeredError,
)

# Threads of its own: a dead network mount hangs them for good, and must not take the process's other threads along.
_THREADS = 4
_LOOK_UP_SECONDS = 60.0
"""An hour of a very good camera, read from a slow disk, is done in this."""

P = ParamSpec("P")
T = TypeVar("T")


class FolderStore:
    """Reads what others wrote below `root`. Checksums are computed from the bytes each time they are asked for."""

    def __init__(self, root: Path, *, limit_seconds: float = _LOOK_UP_SECONDS) -> None:
        """`limit_seconds`: for one object, from when a thread has it in hand."""
        self._root = root.absolute()
        self._limit_seconds = limit_seconds
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="folder-store")
        self._turns = asyncio.Semaphore(_THREADS)
        self._ended = 0
        """How many turns came to their end."""

    @property
    def url(self) -> str:
        """`file:///folder`."""
        return self._root.as_uri()

    @property
    def is_brokered(self) -> bool:
        """A folder has no upload sessions."""
        return False

    async def look_up(self, object_name: str) -> StoredObject | None:
        """Read the whole file and say what its bytes are."""
        parts = parts_of(object_name)
        return None if parts is None else await self._in_a_thread(stored_object, self._root, parts)

    async def listed(self, prefix: str = "") -> AsyncIterator[Sequence[ListedObject]]:
        """Walk through the folder."""
        parts = parts_of(prefix.rstrip("/")) if prefix else []
        walk = pages(self._root, parts) if parts is not None else iter(())
        while page := await self._in_a_thread(next, walk, ()):
            yield page

    async def examine(self, object_name: str, tail_bytes: int) -> Examined | None:
        """Read the whole file."""
        parts = parts_of(object_name)
        return None if parts is None else await self._in_a_thread(examined, self._root, parts, tail_bytes)

    async def read(self, object_name: str) -> AsyncGenerator[bytes, None]:
        """Read the file, a little at a time."""
        parts, offset = parts_of(object_name), 0
        while (piece := await self._in_a_thread(piece_of, self._root, parts, offset) if parts else None) is not None:
            if not piece:
                return
            yield piece
            offset += len(piece)
        raise NoSuchObjectError(object_name)

    async def read_part(self, object_name: str, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """Read a part of the file, a little at a time."""
        parts, offset, end = parts_of(object_name), start, start + length
        while (piece := await self._in_a_thread(piece_of, self._root, parts, offset) if parts else None) is not None:
            if not piece or offset >= end:
                return
            yield piece[: end - offset]
            offset += len(piece)
        raise NoSuchObjectError(object_name)

    async def read_tail(self, object_name: str, tail_bytes: int) -> bytes | None:
        """Read the file's end."""
        parts = parts_of(object_name)
        return None if parts is None else await self._in_a_thread(tail_of, self._root, parts, tail_bytes)

    async def open_upload(self, upload: NewUpload, now: datetime) -> OpenedUpload:
        """Refuse: there is no way into a folder over HTTP."""
        del upload, now
        raise UploadsNotBrokeredError(
            f"the control plane stores to {self.url}, a folder that it can't open uploads into: "
            "set STORAGE_URL on the recorder to the same folder, or STORAGE_URL=gs://... on the control plane"
        )

    async def delete(self, object_name: str, generation: int) -> Removal:
        """Unlink the file; a folder knows no generations."""
        del generation
        if parts := parts_of(object_name):
            await self._in_a_thread(unlink, self._root, parts)
        return Removal.GONE

    @property
    def has_holds(self) -> bool:
        """A folder keeps nobody from deleting."""
        return False

    async def set_hold(self, object_name: str, *, is_held: bool) -> bool:
        """There is no such thing here."""
        del object_name, is_held
        return False

    async def close(self) -> None:
        """Let the threads go; one that hangs in the disk is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_a_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        await self._turn()
        working = self._threads.submit(work, *args, **kwargs)

        def end(_: Future[T]) -> None:
            # A process that ends does not wait for a thread that hangs.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._end_turn)

        # When the thread is done, which may be long after nobody waits for it any more.
        working.add_done_callback(end)
        try:
            async with asyncio.timeout(self._limit_seconds):
                return await asyncio.wrap_future(working)
        except TimeoutError:
            raise self._too_slow() from None

    async def _turn(self) -> None:
        """Wait for a thread for as long as they get on: only if none does, the disk hangs."""
        while True:
            ended = self._ended
            try:
                async with asyncio.timeout(self._limit_seconds):
                    await self._turns.acquire()
            except TimeoutError:
                if self._ended == ended:
                    raise self._too_slow() from None
            else:
                return

    def _end_turn(self) -> None:
        self._ended += 1
        self._turns.release()

    def _too_slow(self) -> StoreUnavailableError:
        return StoreUnavailableError(f"the storage folder does not answer within {self._limit_seconds:.0f} s")
