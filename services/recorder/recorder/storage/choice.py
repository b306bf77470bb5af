"""Which store the settings ask for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httpx

from recorder.settings import Settings, store_folder
from recorder.storage.brokered import Brokered
from recorder.storage.files import Folder
from recorder.storage.interface import Storage
from recorder.storage.patience import Patience
from recorder.tls import trust

MIB = 1024 * 1024


@asynccontextmanager
async def chosen_store(settings: Settings) -> AsyncIterator[Storage]:
    """The recorder's own store, or the sessions that the control plane opens."""
    async with httpx.AsyncClient(follow_redirects=False, verify=trust()) as client:
        store = _store(settings, client)
        try:
            yield store
        finally:
            await store.close()


def _store(settings: Settings, client: httpx.AsyncClient) -> Storage:
    url, patience = settings.store, Patience(settings.max_retry_attempts)
    chunk_bytes = settings.upload_chunk_mib * MIB
    if url is None:
        return Brokered(client, chunk_bytes=chunk_bytes, patience=patience)
    if url.startswith("file://"):
        return Folder(store_folder(url))
    # Google's libraries cost 10 MB: only a recorder that has credentials of its own loads them.
    from recorder.storage.gcs import API_ROOT, Bucket, Credentials

    emulator = settings.storage_emulator_host
    # An emulator asks for no credentials; Google always does, the machine's own where no file is named.
    needs_none = emulator is not None and settings.gcp_credentials_path is None
    return Bucket(
        client,
        urlsplit(url).netloc,
        None if needs_none else Credentials(settings.gcp_credentials_path),
        chunk_bytes=chunk_bytes,
        patience=patience,
        api_root=API_ROOT if emulator is None else emulator if "://" in emulator else f"http://{emulator}",
    )
