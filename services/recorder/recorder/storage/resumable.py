"""The chunked, resumable upload of Google Cloud Storage's JSON API, driven by what the server says it has.

https://cloud.google.com/storage/docs/performing-resumable-uploads
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus

import httpx
from pydantic import BaseModel, ValidationError

from recorder.backoff import Backoff
from recorder.errors import (
    ObjectDiffers,
    StorageRefused,
    StorageUnavailable,
    UploadSessionGone,
)
from recorder.storage.interface import Upload, pieces

TIMEOUT = httpx.Timeout(connect=10, read=60, write=60, pool=60)
RESUME_INCOMPLETE = 308
COME_BACK = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
RANGE = re.compile(r"bytes=0-(\d{1,15})")


class StoredObject(BaseModel):
    """What the store says of an object; numbers come as strings."""

    generation: int
    crc32c: str
    size: int


class NameTaken(StorageRefused):
    """An object of that name is there already (412): whoever may read its metadata compares."""


async def _sleep(wait: timedelta) -> None:
    await asyncio.sleep(wait.total_seconds())


@dataclass(frozen=True, slots=True)
class Patience:
    """How often an upload is tried again without progress, and how long it waits between."""

    attempts: int = 5
    backoff: Backoff = field(default_factory=Backoff)
    sleep: Callable[[timedelta], Awaitable[None]] = _sleep


class _Interrupted(Exception):
    """A request failed in a way that says nothing of how much arrived."""


@dataclass(frozen=True, slots=True)
class ResumableUpload:
    """One upload through one session. Errors never show the session's URI: it lets anyone write."""

    client: httpx.AsyncClient
    uri: str
    upload: Upload
    chunk_bytes: int
    """A multiple of 256 KiB."""
    patience: Patience = Patience()

    async def run(self, *, is_new: bool) -> int:
        """Uploads what the server does not have yet and returns the object's generation.

        Raises `UploadSessionGone` (open another), `NameTaken`, `LocalFileDamaged`, `ObjectDiffers`, `StorageRefused`,
        or `StorageUnavailable` after so many tries without progress.
        """
        await asyncio.to_thread(self.upload.check_size)
        confirmed, failures, knows = 0, 0, is_new
        while True:
            try:
                told = await (self._send(confirmed) if knows else self._ask())
            except _Interrupted as interruption:
                failures, knows = failures + 1, False
                if failures >= self.patience.attempts:
                    raise StorageUnavailable(f"no progress in {failures} tries: {interruption}") from None
                await self.patience.sleep(self.patience.backoff.wait(failures))
                continue
            if isinstance(told, StoredObject):
                self.upload.advanced(self.upload.size_bytes - confirmed)
                return self._proven(told)
            if told > confirmed:
                self.upload.advanced(told - confirmed)
                failures = 0
            elif knows:
                # It took nothing of a whole chunk: count that, or a confused server keeps us busy for ever.
                failures += 1
                if failures >= self.patience.attempts:
                    raise StorageUnavailable(f"the store took nothing in {failures} tries")
                await self.patience.sleep(self.patience.backoff.wait(failures))
            confirmed, knows = told, True

    async def _send(self, start: int) -> "int | StoredObject":
        size = self.upload.size_bytes
        end = min(start + self.chunk_bytes, size)
        if start >= end:
            return await self._ask()
        headers = {"Content-Length": str(end - start), "Content-Range": f"bytes {start}-{end - 1}/{size}"}
        if end == size:
            # The server then refuses bytes that differ instead of storing them.
            headers["x-goog-hash"] = f"crc32c={self.upload.crc32c}"
        return await self._request(headers, _off_loop(pieces(self.upload.path, start, end)), limit=end)

    async def _ask(self) -> "int | StoredObject":
        headers = {"Content-Length": "0", "Content-Range": f"bytes */{self.upload.size_bytes}"}
        return await self._request(headers, b"", limit=self.upload.size_bytes)

    async def _request(
        self, headers: dict[str, str], content: AsyncIterator[bytes] | bytes, limit: int
    ) -> "int | StoredObject":
        try:
            response = await self.client.put(self.uri, content=content, headers=headers, timeout=TIMEOUT)
        except httpx.HTTPError as error:
            raise _Interrupted(type(error).__name__) from None
        except httpx.InvalidURL:
            raise UploadSessionGone("the session's address is no URL") from None
        status = response.status_code
        if status in {HTTPStatus.OK, HTTPStatus.CREATED}:
            try:
                return StoredObject.model_validate_json(response.content)
            except ValidationError:
                raise _Interrupted("the final answer is not an object's metadata") from None
        if status == RESUME_INCOMPLETE:
            return _confirmed(response.headers.get("Range"), limit)
        if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
            raise UploadSessionGone("the upload session has expired")
        if status == HTTPStatus.PRECONDITION_FAILED:
            raise NameTaken(f"{self.upload.object_name} is there already")
        if status in COME_BACK or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _Interrupted(f"the store answered {status}")
        if status == HTTPStatus.BAD_REQUEST:
            await self.upload.check_content()
        raise StorageRefused(f"the store answered {status} to the upload: {said(response)}")

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


def _confirmed(header: str | None, limit: int) -> int:
    """How many bytes the server has, by its `Range` header; without one it has none."""
    if header is None:
        return 0
    match = RANGE.fullmatch(header.strip())
    if match is None or int(match[1]) + 1 > limit:
        raise _Interrupted("the store's Range header makes no sense")
    return int(match[1]) + 1


async def _off_loop(content: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await asyncio.to_thread(next, content, b"")) != b"":
        yield piece
