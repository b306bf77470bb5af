"""The last good configuration on disk, encrypted: it holds the cameras' passwords."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import structlog
from pydantic import ValidationError

from camfleet_contract.configuration import RecorderConfig
from recorder.errors import SecretUnreadable
from recorder.spool.directory import sync_folder
from recorder.vault import Vault

log = structlog.get_logger(__name__)

NAME = "config.encrypted"


@dataclass(frozen=True, slots=True)
class Cached:
    """A configuration with the tag under which it was served; None where it was put together from lists."""

    config: RecorderConfig
    etag: str | None


class ConfigCache:
    """Written whole or not at all; a damaged one is reported and ignored."""

    def __init__(self, folder: Path, vault: Vault) -> None:
        self._path = folder / NAME
        self._vault = vault

    def load(self) -> Cached | None:
        """The last good configuration, if there is one that the present token opens."""
        try:
            held = json.loads(self._vault.unlock(self._path.read_bytes()))
            return Cached(RecorderConfig.model_validate_json(held["document"]), held["etag"])
        except FileNotFoundError:
            return None
        except (OSError, SecretUnreadable) as error:
            log.warning("config_cache_unreadable", reason=str(error))
        except (ValueError, LookupError, TypeError) as error:
            # ValidationError is a ValueError; its text would show camera passwords.
            reason = (
                f"{type(error).__name__} in {error.error_count()} places" if isinstance(error, ValidationError) else ""
            )
            log.warning("config_cache_unreadable", reason=reason or type(error).__name__)
        return None

    def save(self, document: bytes, etag: str | None) -> None:
        """Keeps a document as it was received: a later version may read more of it. OSError if the disk says no."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        locked = self._vault.lock(json.dumps({"document": document.decode(), "etag": etag}).encode())
        partial = self._path.with_suffix(".part")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(locked)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._path)
        sync_folder(self._path.parent)
