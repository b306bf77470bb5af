"""A bucket of Google Cloud Storage, reached with the site's own credentials."""

import asyncio
import json
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

import aiohttp
import httpx
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from gcloud.aio.auth import Token
from gcloud.aio.storage import Storage as GoogleStorage

from recorder.errors import ObjectDiffers, StorageRefused, StorageUnavailable, UploadSessionGone
from recorder.storage.interface import SessionMemory, Upload
from recorder.storage.pace import Pace
from recorder.storage.patience import Patience, asked_wait
from recorder.storage.resumable import COME_BACK, NameTaken, ResumableUpload, StoredObject, said, timeouts

API_ROOT = "https://storage.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
NEEDED = ("storage.objects.create", "storage.objects.get")
TOKEN_SECONDS = 60
SESSIONS_PER_TRY = 2


class Credentials:
    """Access tokens of a service account, or of the machine itself where no file is given."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._token: Token | None = None
        # One at a time: gcloud-aio shares one refresh among all who wait, and a cancelled one would cancel them all.
        self._lock = asyncio.Lock()

    async def header(self) -> dict[str, str]:
        """The `Authorization` header of a request."""
        try:
            async with self._lock, asyncio.timeout(TOKEN_SECONDS):
                return {"Authorization": f"Bearer {await self._known()}"}
        except aiohttp.ClientResponseError as error:
            if not _comes_back(error.status):
                raise StorageRefused(
                    f"Google refuses the credentials ({error.status}): renew the key of GCP_CREDENTIALS_PATH"
                ) from None
            raise StorageUnavailable(f"Google's token service answered {error.status}") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise StorageUnavailable(f"Google's token service can't be reached: {type(error).__name__}") from None
        except (ValueError, LookupError, TypeError) as error:
            # A private key that is none, a field that is missing.
            raise StorageRefused(f"the credentials can't be used ({type(error).__name__}): renew the key") from None

    async def token(self) -> Token:
        """The token, made when it is first needed: a bad key file must stop the uploads only, not the recording."""
        async with self._lock:
            return await self._made()

    async def close(self) -> None:
        """Closes the connections. Whoever asks again reads the key file anew."""
        token, self._token = self._token, None
        if token is not None:
            await token.close()

    async def _made(self) -> Token:
        if self._token is None:
            if self._file is not None:
                await asyncio.to_thread(_check_credentials, self._file)
            self._token = Token(service_file=str(self._file) if self._file else None, scopes=[SCOPE])
        return self._token

    async def _known(self) -> str | None:
        try:
            return await (await self._made()).get()
        except (aiohttp.ClientResponseError, ValueError, LookupError, TypeError):
            # A file that is renewed must be used without a restart.
            await self.close()
            raise


class Bucket:
    """Opens resumable uploads, sends them, and compares checksums with the bucket."""

    needs_session = False

    def __init__(
        self,
        client: httpx.AsyncClient,
        name: str,
        credentials: Credentials | None,
        *,
        chunk_bytes: int,
        patience: Patience,
        api_root: str = API_ROOT,
    ) -> None:
        self._client = client
        self._name = name
        self._credentials = credentials
        self._pace = Pace(chunk_bytes, patience.silence)
        self._patience = patience
        self._api_root = api_root.rstrip("/")
        self._google: GoogleStorage | None = None

    async def put(self, upload: Upload, memory: SessionMemory) -> int:
        """Resumes the session that is remembered, or opens one."""
        reason = ""
        for _ in range(SESSIONS_PER_TRY):
            uri = await memory.recall()
            is_new = uri is None
            try:
                if uri is None:
                    uri = await self._open(upload)
                    await memory.remember(uri)
                session = ResumableUpload(self._client, uri, upload, self._pace, self._patience)
                return await session.run(is_new=is_new)
            except (UploadSessionGone, NameTaken) as end:
                # Perhaps stored: by this session, whose last answer was lost, or by an earlier one.
                reason = str(end)
                generation = await self._stored(upload)
                await memory.remember(None)
                if generation is not None:
                    return generation
        raise StorageUnavailable(f"no upload session comes to its end: {reason}")

    async def check(self) -> None:
        """Asks which of the needed permissions the credentials have; needs none itself."""
        url = f"{self._api_root}/storage/v1/b/{quote(self._name, safe='')}/iam/testPermissions"
        try:
            response = await self._client.get(
                url,
                params=[("permissions", p) for p in NEEDED],
                headers=await self._headers(),
                timeout=timeouts(self._patience.silence),
            )
        except (httpx.HTTPError, OSError) as error:
            raise StorageUnavailable(f"the bucket can't be reached: {type(error).__name__}") from None
        if response.status_code == HTTPStatus.NOT_FOUND:
            raise StorageRefused(f"there is no bucket {self._name}: check GCP_BUCKET_NAME")
        self._raise_for(response, "the question for permissions")
        try:
            granted = response.json().get("permissions", [])
        except (ValueError, AttributeError):
            raise StorageUnavailable("what answers there is not Google's storage: check any proxy") from None
        if missing := [permission for permission in NEEDED if permission not in granted]:
            raise StorageRefused(f"the credentials lack {' and '.join(missing)} on {self._name}: grant them in IAM")

    async def close(self) -> None:
        """Closes the connections for tokens and metadata; the HTTP client is the caller's."""
        if self._google is not None:
            await self._google.close()
        if self._credentials is not None:
            await self._credentials.close()

    async def _open(self, upload: Upload) -> str:
        url = f"{self._api_root}/upload/storage/v1/b/{quote(self._name, safe='')}/o"
        # Zero as generation: the object must not be there yet. Nothing is ever overwritten.
        parameters = {"uploadType": "resumable", "ifGenerationMatch": "0", "name": upload.object_name}
        headers = await self._headers() | {
            "X-Upload-Content-Type": "video/mp4",
            "X-Upload-Content-Length": str(upload.size_bytes),
        }
        body = {
            "name": upload.object_name,
            "contentType": "video/mp4",
            "crc32c": upload.crc32c,
            "metadata": dict(upload.metadata),
        }
        try:
            response = await self._client.post(
                url, params=parameters, headers=headers, json=body, timeout=timeouts(self._patience.silence)
            )
        except (httpx.HTTPError, OSError) as error:
            raise StorageUnavailable(f"the bucket can't be reached: {type(error).__name__}") from None
        if response.status_code == HTTPStatus.PRECONDITION_FAILED:
            raise NameTaken(f"{upload.object_name} is there already")
        self._raise_for(response, "the opening of an upload")
        uri = response.headers.get("Location", "")
        if not uri:
            raise StorageUnavailable("the bucket opened an upload without saying where")
        return str(uri)

    async def _stored(self, upload: Upload) -> int | None:
        """The generation of the object that has the name already, if it is this very segment; None if there is none."""
        headers = await self._headers()
        try:
            async with asyncio.timeout(self._patience.silence.total_seconds()):
                client = await self._metadata_client()
                told = await client.download_metadata(self._name, upload.object_name, headers=headers)
            stored = StoredObject.model_validate(told)
        except aiohttp.ClientResponseError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            text = f"the bucket answered {error.status} to the question for an object"
            if _comes_back(error.status):
                raise StorageUnavailable(text, asked_wait(error.headers or {})) from None
            raise StorageRefused(text) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise StorageUnavailable(f"the object's metadata can't be read: {type(error).__name__}") from None
        except ValueError:
            raise StorageUnavailable("the object's metadata makes no sense") from None
        if stored.crc32c != upload.crc32c or stored.size != upload.size_bytes:
            raise ObjectDiffers(f"{upload.object_name} is in the bucket already with other bytes")
        return stored.generation

    async def _metadata_client(self) -> GoogleStorage:
        token = await self._credentials.token() if self._credentials else None
        if self._google is not None and token is not None and self._google.token is not token:
            old, self._google = self._google, None  # its key was refused
            await old.close()
        if self._google is None:
            self._google = GoogleStorage(
                token=token,
                api_root=self._api_root,
                api_is_dev=self._api_root != API_ROOT,  # an emulator's certificate is not verified, Google's is
            )
        return self._google

    async def _headers(self) -> dict[str, str]:
        return await self._credentials.header() if self._credentials else {}

    def _raise_for(self, response: httpx.Response, what: str) -> None:
        if response.is_success:
            return
        text = f"the bucket answered {response.status_code} to {what}"
        if _comes_back(response.status_code):
            raise StorageUnavailable(text, asked_wait(response.headers))
        raise StorageRefused(f"{text}: {said(response)}")


def _comes_back(status: int) -> bool:
    return status in COME_BACK or status >= HTTPStatus.INTERNAL_SERVER_ERROR


def _check_credentials(file: Path) -> None:
    # gcloud-aio takes a file that it can't parse for none at all, and then asks the metadata server of a cloud machine.
    try:
        held = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise StorageRefused(f"GCP_CREDENTIALS_PATH {file} can't be read: {error.strerror}") from None
    except ValueError:
        raise StorageRefused(f"GCP_CREDENTIALS_PATH {file} is not a JSON key file: download it anew") from None
    if not isinstance(held, dict) or "type" not in held:
        raise StorageRefused(f"GCP_CREDENTIALS_PATH {file} holds no credentials: download the key file anew")
    if held["type"] == "service_account":
        try:
            load_pem_private_key(str(held["private_key"]).encode(), None)
        except (ValueError, TypeError, LookupError, UnsupportedAlgorithm):
            # Tried here, since PyJWT has errors of its own for it.
            raise StorageRefused(
                f"the private key in GCP_CREDENTIALS_PATH {file} is damaged: download the key file anew"
            ) from None
