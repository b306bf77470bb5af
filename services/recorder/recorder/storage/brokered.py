"""Uploads through sessions that the control plane opened: this recorder holds no key to the bucket."""

import httpx

from recorder.errors import UploadSessionGone
from recorder.storage.interface import SessionMemory, Upload
from recorder.storage.pace import Pace
from recorder.storage.patience import Patience
from recorder.storage.resumable import NameTaken, ResumableUpload


class Brokered:
    """Needs a session that is remembered already."""

    needs_session = True

    def __init__(self, client: httpx.AsyncClient, *, chunk_bytes: int, patience: Patience) -> None:
        self._client = client
        self._pace = Pace(chunk_bytes, patience.silence)
        self._patience = patience

    async def put(self, upload: Upload, memory: SessionMemory) -> int | None:
        """The object's generation; None where the object was there before: the control plane compares it then."""
        uri = await memory.recall()
        if uri is None:
            raise UploadSessionGone("the upload session can't be read any more")
        try:
            # Whether it is new is not known: the last run may have used it.
            return await ResumableUpload(self._client, uri, upload, self._pace, self._patience).run(is_new=False)
        except NameTaken:
            return None

    async def check(self) -> None:
        """Nothing to check before the control plane opens a session."""

    async def close(self) -> None:
        """The HTTP client is the caller's."""
