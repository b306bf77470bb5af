"""A bucket of Google Cloud Storage, to which the control plane holds the credentials."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote

import aiohttp
import google_crc32c
import httpx
from gcloud.aio.auth import Token
from gcloud.aio.storage import Storage
from gcloud.aio.storage.storage import init_api_root

from control_plane.stores.bucket_answers import PAGE_FIELDS, Metadata, Page
from control_plane.stores.checksums import as_base64
from control_plane.stores.interface import (
    Examined,
    ListedObject,
    NameTakenError,
    NewUpload,
    NoSuchObjectError,
    OpenedUpload,
    Removal,
    StoredObject,
    StoreUnavailableError,
)

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_TIMEOUT_SECONDS = 10
# Less than that: the library tries several times at random distances, and what is wrong is the token, not the bucket.
_TOKEN_SECONDS = 5
# Google keeps a session for a week; a day less, so that no recorder begins an upload that can't end.
_SESSION_LIFETIME = timedelta(days=6)
# The reasons that Google gives beside its 403: a hold on the object, and a retention policy of the bucket.
_KEPT_BECAUSE = {
    "objectUnderActiveHold": Removal.KEPT,
    "under active": Removal.KEPT,
    "retentionPolicyNotMet": Removal.TOO_YOUNG,
    "retention polic": Removal.TOO_YOUNG,
}
# Of one process: a batch of 500 offers must not open 500 connections.
_AT_ONCE = 32
# Apart from these: somebody who reads an export slowly must not keep recorders from being told that all is stored.
_DOWNLOADS_AT_ONCE = 32
# For another download to end.
_DOWNLOAD_TURN_SECONDS = 60
_CHUNK_BYTES = 256 * 1024


class BucketStore:
    """Reads metadata and opens uploads. `STORAGE_EMULATOR_HOST` leads it to an emulator, without credentials."""

    def __init__(self, bucket: str, credentials: Path | None, *, timeout_seconds: float = _TIMEOUT_SECONDS) -> None:
        """Must be called on a running loop. Without `credentials`, those of the machine count."""
        self._bucket = bucket
        self._timeout_seconds = timeout_seconds
        is_emulated, api_root = init_api_root(None)
        self._object_url = f"{api_root}/storage/v1/b/{quote(bucket, safe='')}/o"
        self._upload_url = f"{api_root}/upload/storage/v1/b/{quote(bucket, safe='')}/o"
        # A cast: gcloud-aio's annotation names the session of its synchronous twin.
        self._google_http = cast("Any", aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_seconds)))
        file = str(credentials) if credentials else None
        self._token = None if is_emulated else Token(service_file=file, session=self._google_http, scopes=[_SCOPE])
        # `api_is_dev` only means that it leaves the Authorization header to us, see `_authorization`.
        self._google = Storage(token=self._token, session=self._google_http, api_root=api_root, api_is_dev=True)
        self._http = httpx.AsyncClient(timeout=timeout_seconds, limits=httpx.Limits(max_connections=_AT_ONCE))
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._downloads = httpx.AsyncClient(
            timeout=timeout_seconds, limits=httpx.Limits(max_connections=_DOWNLOADS_AT_ONCE)
        )
        self._download_turns = asyncio.Semaphore(_DOWNLOADS_AT_ONCE)
        self._token_turn = asyncio.Lock()

    @property
    def url(self) -> str:
        """`gs://bucket`."""
        return f"gs://{self._bucket}"

    @property
    def is_brokered(self) -> bool:
        """A bucket has resumable upload sessions."""
        return True

    async def look_up(self, object_name: str) -> StoredObject | None:
        """Ask for the object's metadata: Google computed the checksum from the bytes that it holds."""
        try:
            async with asyncio.timeout(self._timeout_seconds), self._turns:
                answer = await self._google.download_metadata(
                    self._bucket, object_name, headers=await self._authorization(), timeout=_TIMEOUT_SECONDS
                )
            found = Metadata.model_validate(answer)
        except aiohttp.ClientResponseError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise StoreUnavailableError(f"{self.url} answered {error.status} when asked for an object") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise StoreUnavailableError(f"{self.url} can't be reached: {type(error).__name__}") from None
        except ValueError:
            raise StoreUnavailableError(f"{self.url} answered with something that is no object's metadata") from None
        return StoredObject(found.size, found.crc32c, found.generation)

    async def listed(self, prefix: str = "") -> AsyncIterator[Sequence[ListedObject]]:
        """Ask for page after page, https://cloud.google.com/storage/docs/json_api/v1/objects/list."""
        params = {"fields": PAGE_FIELDS} | ({"prefix": prefix} if prefix else {})
        while True:
            page = await self._page(params)
            yield [
                ListedObject(each.name, each.size, each.crc32c, each.generation, each.metadata, each.is_held)
                for each in page.items
            ]
            if not page.next_page:
                return
            params["pageToken"] = page.next_page

    async def _page(self, params: dict[str, str]) -> Page:
        try:
            async with asyncio.timeout(self._timeout_seconds), self._turns:
                headers = await self._authorization()
                answer = await self._google.list_objects(
                    self._bucket, params=params, headers=headers, timeout=_TIMEOUT_SECONDS
                )
            return Page.model_validate(answer)
        except aiohttp.ClientResponseError as error:
            advice = ": the service account needs storage.objects.list" if error.status == HTTPStatus.FORBIDDEN else ""
            raise StoreUnavailableError(
                f"{self.url} answered {error.status} when asked what it holds{advice}"
            ) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise StoreUnavailableError(f"{self.url} can't be reached: {type(error).__name__}") from None
        except ValueError:
            raise StoreUnavailableError(f"{self.url} answered with something that is no list of objects") from None

    async def examine(self, object_name: str, tail_bytes: int) -> Examined | None:
        """Download the object, a little at a time."""
        size, checksum, sha256, tail = 0, 0, hashlib.sha256(), b""
        async with self._downloaded(object_name, {}) as chunks:
            if chunks is None:
                return None
            async for chunk in chunks:
                size += len(chunk)
                checksum = google_crc32c.extend(checksum, chunk)
                sha256.update(chunk)
                tail = (tail + chunk)[-tail_bytes:]
        return Examined(size, as_base64(checksum), sha256.hexdigest(), tail)

    async def read(self, object_name: str) -> AsyncGenerator[bytes, None]:
        """Download the object, a little at a time."""
        async with self._downloaded(object_name, {}) as chunks:
            if chunks is None:
                raise NoSuchObjectError(object_name)
            async for chunk in chunks:
                yield chunk

    async def read_part(self, object_name: str, start: int, length: int) -> AsyncGenerator[bytes, None]:
        """Ask for a range (RFC 9110, 14.1.2)."""
        passed = 0
        async with self._downloaded(object_name, {"Range": f"bytes={start}-{start + length - 1}"}) as chunks:
            if chunks is None:
                raise NoSuchObjectError(object_name)
            async for chunk in chunks:
                passed += len(chunk)
                if passed > length:
                    raise StoreUnavailableError(f"{self.url} answered a part of an object with more than that")
                yield chunk

    async def read_tail(self, object_name: str, tail_bytes: int) -> bytes | None:
        """Ask for a range (RFC 9110, 14.1.2): so many bytes from the end."""
        tail = b""
        async with self._downloaded(object_name, {"Range": f"bytes=-{tail_bytes}"}) as chunks:
            if chunks is None:
                return None
            async for chunk in chunks:
                # A server may answer with all of it.
                tail = (tail + chunk)[-tail_bytes:]
        return tail

    @asynccontextmanager
    async def _downloaded(
        self, object_name: str, headers: Mapping[str, str]
    ) -> AsyncIterator[AsyncIterator[bytes] | None]:
        """The object's bytes; None if there is no such object. Each wait has its limit, the whole has none."""
        url = f"{self._object_url}/{quote(object_name, safe='')}"
        try:
            async with (
                self._download_turn(),
                self._downloads.stream(
                    "GET", url, params={"alt": "media"}, headers={**await self._authorization(), **headers}
                ) as answer,
            ):
                if answer.status_code == HTTPStatus.NOT_FOUND:
                    yield None
                elif answer.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    yield _nothing()  # an empty object has no last bytes
                elif answer.is_success:
                    yield answer.aiter_bytes(_CHUNK_BYTES)
                else:
                    raise self._refused(answer, "read", "storage.objects.get")
        except (httpx.HTTPError, aiohttp.ClientError, TimeoutError, OSError) as error:
            raise StoreUnavailableError(f"{self.url} can't be reached: {type(error).__name__}") from None

    @asynccontextmanager
    async def _download_turn(self) -> AsyncIterator[None]:
        async with asyncio.timeout(_DOWNLOAD_TURN_SECONDS):
            await self._download_turns.acquire()
        try:
            yield
        finally:
            self._download_turns.release()

    async def open_upload(self, upload: NewUpload, now: datetime) -> OpenedUpload:
        """Open a resumable upload: the name, the size and the checksum are fixed here, whoever holds the URI.

        https://cloud.google.com/storage/docs/performing-resumable-uploads
        """
        try:
            async with asyncio.timeout(self._timeout_seconds), self._turns:
                response = await self._http.post(
                    self._upload_url,
                    # Generation 0: create, never replace.
                    params={"uploadType": "resumable", "ifGenerationMatch": "0", "name": upload.object_name},
                    headers={
                        **await self._authorization(),
                        "X-Upload-Content-Type": "video/mp4",
                        "X-Upload-Content-Length": str(upload.size_bytes),
                        "X-Goog-Hash": f"crc32c={upload.crc32c}",
                    },
                    json={
                        "name": upload.object_name,
                        "contentType": "video/mp4",
                        "crc32c": upload.crc32c,
                        "metadata": dict(upload.metadata),
                    },
                )
        except (httpx.HTTPError, aiohttp.ClientError, TimeoutError, OSError) as error:
            raise StoreUnavailableError(f"{self.url} can't be reached: {type(error).__name__}") from None
        if response.status_code == HTTPStatus.PRECONDITION_FAILED:
            raise NameTakenError(upload.object_name)
        uri = response.headers.get("Location")
        if not response.is_success or not uri:
            raise StoreUnavailableError(f"{self.url} answered {response.status_code} when asked for an upload")
        return OpenedUpload(uri, now + _SESSION_LIFETIME)

    async def delete(self, object_name: str, generation: int) -> Removal:
        """Delete this generation, https://cloud.google.com/storage/docs/json_api/v1/objects/delete."""
        answer = await self._ask("DELETE", object_name, {"ifGenerationMatch": str(generation)})
        if answer.is_success or answer.status_code == HTTPStatus.NOT_FOUND:
            return Removal.GONE
        if answer.status_code == HTTPStatus.PRECONDITION_FAILED:
            return Removal.ANOTHER
        if answer.status_code == HTTPStatus.FORBIDDEN:
            for reason, removal in _KEPT_BECAUSE.items():
                if reason in answer.text:
                    return removal
        raise self._refused(answer, "delete", "storage.objects.delete")

    @property
    def has_holds(self) -> bool:
        """Every object has one: https://cloud.google.com/storage/docs/object-holds."""
        return True

    async def set_hold(self, object_name: str, *, is_held: bool) -> bool:
        """Set or release the object's temporary hold: even whoever may delete objects can't delete this one then."""
        answer = await self._ask("PATCH", object_name, {}, json={"temporaryHold": is_held})
        if answer.is_success or answer.status_code == HTTPStatus.NOT_FOUND:
            return answer.is_success
        raise self._refused(answer, "hold", "storage.objects.update")

    async def _ask(self, method: str, object_name: str, params: Mapping[str, str], json: Any = None) -> httpx.Response:
        url = f"{self._object_url}/{quote(object_name, safe='')}"
        try:
            async with asyncio.timeout(self._timeout_seconds), self._turns:
                return await self._http.request(
                    method, url, params=params, headers=await self._authorization(), json=json
                )
        except (httpx.HTTPError, aiohttp.ClientError, TimeoutError, OSError) as error:
            raise StoreUnavailableError(f"{self.url} can't be reached: {type(error).__name__}") from None

    def _refused(self, answer: httpx.Response, what: str, permission: str) -> StoreUnavailableError:
        advice = f": the service account needs {permission}" if answer.status_code == HTTPStatus.FORBIDDEN else ""
        return StoreUnavailableError(f"{self.url} answered {answer.status_code} when asked to {what} an object{advice}")

    async def close(self) -> None:
        """Close the connections."""
        await self._downloads.aclose()
        await self._http.aclose()
        await self._google_http.close()

    async def _authorization(self) -> dict[str, str]:
        if self._token is None:
            return {}
        try:
            # One at a time: all who wait share one refresh, and one of them cancelled would cancel it for all.
            async with self._token_turn, asyncio.timeout(_TOKEN_SECONDS):
                return {"Authorization": f"Bearer {await self._token.get()}"}
        except Exception as error:  # noqa: BLE001 - a bad key file fails with whatever the libraries below raise
            raise StoreUnavailableError(
                f"Google gives no token for {self.url} ({type(error).__name__}): check GCP_CREDENTIALS_PATH"
            ) from None


async def _nothing() -> AsyncIterator[bytes]:
    pieces: tuple[bytes, ...] = ()
    for piece in pieces:
        yield piece
