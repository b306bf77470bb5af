"""The chunked, resumable upload of Google Cloud Storage's JSON API, driven by what the server says it has.

https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path

import httpx
from pydantic import BaseModel, ValidationError

from recorder.errors import (
    LocalFileDamaged,
    ObjectDiffers,
    StorageRefused,
    StorageUnavailable,
    UploadSessionGone,
)
from recorder.storage.interface import Upload
from recorder.storage.pace import Pace
from recorder.storage.patience import Patience, asked_wait

RESUME_INCOMPLETE = 308
CANCELLED = 499
COME_BACK = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
GONE = {HTTPStatus.NOT_FOUND, HTTPStatus.GONE, CANCELLED}
RANGE = re.compile(r"bytes=0-(\d{1,15})")
CONNECT_SECONDS = 10.0


class StoredObject(BaseModel):
    """What the store says of an object; numbers come as strings."""

    generation: int
    crc32c: str
    size: int


class NameTaken(StorageRefused):
    """An object of that name is there already (412): whoever may read its metadata compares."""


class _Interrupted(Exception):
    """A request failed in a way that says nothing of how much arrived."""

    def __init__(self, reason: str, asked: timedelta = timedelta(0)) -> None:
        super().__init__(reason)
        self.asked = asked


def timeouts(silence: timedelta) -> httpx.Timeout:
    """The limits of one request. That for writing counts anew with each piece, when the system has taken it whole."""
    seconds = silence.total_seconds()
    return httpx.Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds, write=seconds, pool=seconds)


@dataclass(frozen=True, slots=True)
class ResumableUpload:
    """One upload through one session. Errors never show the session's URI: it lets anyone write."""

    client: httpx.AsyncClient
    uri: str
    upload: Upload
    pace: Pace
    patience: Patience

    async def run(self, *, is_new: bool) -> int:
        """Uploads what the server does not have yet and returns the object's generation.

        Raises `UploadSessionGone` (open another), `NameTaken`, `LocalFileDamaged`, `ObjectDiffers`, `StorageRefused`,
        or `StorageUnavailable` after so many tries without progress.
        """
        await asyncio.to_thread(self.upload.check_size)
        at, furthest, failures, knows = 0, 0 if is_new else None, 0, is_new
        while True:
            try:
                told = await (self._send(at) if knows else self._ask())
                problem = _Interrupted("the store takes nothing")
            except _Interrupted as interruption:
                told, problem = None, interruption
                if knows:
                    self.pace.broke()
            if isinstance(told, StoredObject):
                self.upload.advanced(0 if furthest is None else self.upload.size_bytes - furthest)
                return self._proven(told)
            if told is not None and (furthest is None or told > furthest):
                # What an earlier run brought is not counted again.
                self.upload.advanced(0 if furthest is None else told - furthest)
                furthest, failures = told, 0
            elif told is None or (knows and told <= at):
                # Where it goes back and forth, that is no progress either: a confused server is left in the end.
                failures += 1
                if failures >= self.patience.attempts:
                    raise StorageUnavailable(f"no progress in {failures} tries: {problem}", problem.asked)
                await self.patience.wait(failures, problem.asked)
            at, knows = (at, False) if told is None else (told, True)

    async def _send(self, start: int) -> "int | StoredObject":
        size = self.upload.size_bytes
        end = min(start + self.pace.chunk_bytes, size)
        if start >= end:
            return await self._ask()  # which finishes what is there as a whole
        headers = {"Content-Length": str(end - start), "Content-Range": f"bytes {start}-{end - 1}/{size}"}
        if end == size:
            # The server then refuses bytes that differ instead of storing them.
            headers["x-goog-hash"] = f"crc32c={self.upload.crc32c}"
        begun = time.monotonic()
        told = await self._request(headers, self._content(start, end), least=start, most=end)
        arrived = (end if isinstance(told, StoredObject) else told) - start
        took = timedelta(seconds=time.monotonic() - begun)
        self.pace.arrived(arrived, took, is_end=isinstance(told, StoredObject))
        return told

    async def _content(self, start: int, end: int) -> AsyncIterator[bytes]:
        while start < end:
            granted = await self.upload.grant(min(self.pace.piece_bytes, end - start))
            piece = await asyncio.to_thread(_read, self.upload.path, start, granted)
            start += len(piece)
            yield piece

    async def _ask(self) -> "int | StoredObject":
        headers = {"Content-Length": "0", "Content-Range": f"bytes */{self.upload.size_bytes}"}
        return await self._request(headers, b"", least=0, most=self.upload.size_bytes)

    async def _request(
        self, headers: dict[str, str], content: AsyncIterator[bytes] | bytes, *, least: int, most: int
    ) -> "int | StoredObject":
        try:
            response = await self.client.put(
                self.uri, content=content, headers=headers, timeout=timeouts(self.pace.patience)
            )
        except (httpx.HTTPError, OSError) as error:
            # httpx lets a spoilt TLS record (ssl.SSLError, an OSError) through as it is.
            raise _Interrupted(type(error).__name__) from None
        except httpx.InvalidURL:
            raise UploadSessionGone("the session's address is no URL") from None
        if response.is_success:
            try:
                return StoredObject.model_validate_json(response.content)
            except ValidationError:
                raise _Interrupted("the final answer is not an object's metadata") from None
        if response.status_code == RESUME_INCOMPLETE:
            return _confirmed(response.headers.get("Range"), least, most)
        raise await self._failure(response, has_hash="x-goog-hash" in headers)

    async def _failure(self, response: httpx.Response, *, has_hash: bool) -> Exception:
        status = response.status_code
        if status in GONE:
            return UploadSessionGone("the upload session has expired")
        if status == HTTPStatus.PRECONDITION_FAILED:
            return NameTaken(f"{self.upload.object_name} is there already")
        if status in COME_BACK or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return _Interrupted(f"the store answered {status}", asked_wait(response.headers))
        reason = f"the store answered {status} to the upload: {said(response)}"
        if status == HTTPStatus.BAD_REQUEST:
            await self.upload.check_content()
            if has_hash:
                # The file is well: the bytes were damaged on their way, and the session is spoilt.
                return UploadSessionGone(reason)
        return StorageRefused(reason)

    def _proven(self, stored: StoredObject) -> int:
        if stored.crc32c != self.upload.crc32c or stored.size != self.upload.size_bytes:
            raise ObjectDiffers(f"{self.upload.object_name} was stored with other bytes than were sent")
        return stored.generation


def said(response: httpx.Response) -> str:
    """The server's own words, without markup and bounded."""
    try:
        error = response.json()["error"]
        text = str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, TypeError, LookupError):
        text = response.reason_phrase
    return text[:300]


def _confirmed(header: str | None, least: int, most: int) -> int:
    """How many bytes the server has, by its `Range` header; without one it has none."""
    match = None if header is None else RANGE.fullmatch(header.strip())
    if header is not None and match is None:
        raise _Interrupted("the store's Range header makes no sense")
    count = 0 if match is None else int(match[1]) + 1
    if not least <= count <= most:
        # Less than it had, or more than it can have. If it says so again when it is asked, less is what it has.
        raise _Interrupted(f"the store says that it has {count} bytes")
    return count


def _read(path: Path, start: int, size_bytes: int) -> bytes:
    try:
        with path.open("rb", buffering=0) as file:
            piece = os.pread(file.fileno(), size_bytes, start)
    except OSError as error:
        raise LocalFileDamaged(f"{path.name} can't be read: {error.strerror}") from None
    if not piece:
        raise LocalFileDamaged(f"{path.name} ends at byte {start}")
    return piece
