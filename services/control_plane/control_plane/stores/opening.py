"""Which store a `STORAGE_URL` means."""

import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from control_plane.stores.bucket import BucketStore
from control_plane.stores.folder import FolderStore
from control_plane.stores.interface import Store

# https://cloud.google.com/storage/docs/buckets#naming
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


def open_store(storage_url: str, *, default_folder: Path, credentials: Path | None) -> Store:
    """The store that `storage_url` names; an empty one means `default_folder`, which is made.

    Must be called on a running loop. Raise ValueError, with what to do about it, if the URL is no store's.
    """
    if not storage_url:
        default_folder.mkdir(parents=True, exist_ok=True)
        return FolderStore(default_folder)
    parts = urlsplit(storage_url)
    if parts.scheme == "gs" and _BUCKET.fullmatch(parts.netloc) and parts.path in {"", "/"}:
        if credentials is not None:
            _check_credentials(credentials)
        return BucketStore(parts.netloc, credentials)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path.startswith("/"):
        return FolderStore(Path(unquote(parts.path)))
    raise ValueError("STORAGE_URL must be gs://BUCKET, or file:///FOLDER with an absolute path")


def _check_credentials(file: Path) -> None:
    """Now, while somebody looks on, rather than at the first segment."""
    try:
        json.loads(file.read_bytes())
    except OSError as error:
        raise ValueError(f"GCP_CREDENTIALS_PATH {file} can't be read: {error.strerror}") from error
    except ValueError:
        raise ValueError(f"GCP_CREDENTIALS_PATH {file} is no key file of a Google service account") from None
