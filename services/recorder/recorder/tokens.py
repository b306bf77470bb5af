"""The tokens that the recorder may call with: its CLIENT_TOKEN, and those that it was given since."""

import hashlib
import json
import os
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from uuid import UUID

import httpx
import structlog
from pydantic import SecretStr

from recorder.errors import SecretUnreadable
from recorder.settings import Settings
from recorder.spool.directory import sync_folder
from recorder.vault import Vault

log = structlog.get_logger(__name__)

NAME = "client-token.encrypted"
_MOST_GIVEN = 2
"""The newest, and the one before it, should the newest be refused."""


@dataclass(frozen=True, slots=True)
class Given:
    """Tokens that the control plane gave, the newest first."""

    tokens: tuple[str, ...] = field(repr=False)
    command_id: UUID
    """The command that brought the newest."""


class TokenFile:
    """Where they are kept: written whole or not at all; a damaged one is reported and ignored."""

    def __init__(self, folder: Path, vault: Vault, own: SecretStr) -> None:
        """`own` is CLIENT_TOKEN: what was given instead of it counts no more once somebody sets another."""
        self._path = folder / NAME
        self._vault = vault
        self._own = hashlib.sha256(own.get_secret_value().encode()).hexdigest()

    def load(self) -> Given | None:
        """What was given instead of the present CLIENT_TOKEN. May block."""
        try:
            held = json.loads(self._vault.unlock(self._path.read_bytes()))
            if held["instead_of"] != self._own:
                log.info("given_tokens_ignored", reason="CLIENT_TOKEN was set anew since")
                return None
            return Given(tuple(map(str, held["tokens"])), UUID(held["command_id"]))
        except FileNotFoundError:
            return None
        except SecretUnreadable:
            log.info("given_tokens_ignored", reason="CLIENT_TOKEN or SECRETS_KEY was set anew since, or it is damaged")
        except OSError as error:
            log.warning("given_tokens_unreadable", reason=error.strerror or type(error).__name__)
        except (ValueError, LookupError, TypeError) as error:
            log.warning("given_tokens_unreadable", reason=type(error).__name__)
        return None

    def save(self, given: Given) -> None:
        """Durable when it returns. OSError if the disk says no: then what was there before still is."""
        held = {"tokens": given.tokens, "command_id": str(given.command_id), "instead_of": self._own}
        locked = self._vault.lock(json.dumps(held).encode())
        part = self._path.with_suffix(".part")
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, 0o600)  # one that a crash left may have been made otherwise
                file.write(locked)
                file.flush()
                os.fsync(descriptor)
            part.replace(self._path)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise
        sync_folder(self._path.parent)


class Tokens:
    """Which of them to call with. Its methods may be called from any thread."""

    def __init__(self, own: SecretStr, file: TokenFile | None = None) -> None:
        self._own = own.get_secret_value()
        self._file = file
        self._given: Given | None = None
        self._preferred = ""
        """The one that was accepted when the newest was refused; empty: the newest."""

    def read(self) -> None:
        """Look for what was given before. Blocks; may be repeated, for a folder that could not be read at first."""
        if self._file is not None and (given := self._file.load()) is not None:
            self._given, self._preferred = given, ""

    def in_order(self) -> tuple[str, ...]:
        """All of them, the newest first unless it was refused."""
        given = self._given.tokens if self._given is not None else ()
        every = tuple(dict.fromkeys((*given, self._own)))
        return tuple(sorted(every, key=lambda token: token != self._preferred))  # a stable sort

    def prefer(self, token: str) -> None:
        """The control plane took it, and had refused those before it."""
        if self.in_order()[0] != token:
            self._preferred = token
            log.warning("other_token_used", reason="the control plane refused the one that was used until now")

    def keep(self, token: SecretStr, command_id: UUID) -> None:
        """Call with this from now on, also after a restart. Blocks. OSError: then nothing has changed."""
        before = self._given.tokens if self._given is not None else ()
        fresh = token.get_secret_value()
        given = Given((fresh, *(held for held in before if held != fresh))[:_MOST_GIVEN], command_id)
        if self._file is not None:
            self._file.save(given)
        self._given, self._preferred = given, ""

    def given_by(self, command_id: UUID) -> SecretStr | None:
        """The token that this command brought, if it is the newest."""
        given = self._given
        return SecretStr(given.tokens[0]) if given is not None and given.command_id == command_id else None


class Bearer(httpx.Auth):
    """Calls with the token that is first in order and, where it is refused, with each of the others."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        refused: set[str] = set()
        while (token := next((one for one in self._tokens.in_order() if one not in refused), None)) is not None:
            request.headers["Authorization"] = f"Bearer {token}"
            response = yield request
            if response.status_code != HTTPStatus.UNAUTHORIZED:
                # A proxy's failure says nothing of the token. Nor does an answer to what was asked before a newer came.
                if refused and response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
                    self._tokens.prefer(token)
                return
            refused.add(token)


def kept_tokens(settings: Settings) -> Tokens:
    """Of this recorder; not read yet."""
    vault = Vault(settings.secrets_key or settings.client_token)
    return Tokens(settings.client_token, TokenFile(settings.recording_base_dir, vault, settings.client_token))
