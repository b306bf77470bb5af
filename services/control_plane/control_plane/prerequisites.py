"""What must be there before the control plane works: a database with the right tables, and the keys of its secrets."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import structlog
from cryptography.fernet import Fernet
from pydantic import SecretStr
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from control_plane.answers import refusal_for
from control_plane.database import create_engine, create_sessions
from control_plane.embedded import EmbeddedPostgres, EmbeddedPostgresError, InUseError, running_url
from control_plane.local_client.config_changes import ConfigChanges
from control_plane.migration import current_revision, head_revision, migrate
from control_plane.security.secrets import SecretBox
from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.stores import Store, open_store

log = structlog.get_logger()

_DATABASE_SECONDS = 60.0
_LAST_PORT = 65535
_COMMAND_CONNECTIONS = 3
_COMMAND_STATEMENT_SECONDS = 300.0
"""Of a command that reads what ten thousand recorders have stored in years; a request has less."""
# Another command that had to start the embedded database lets go of it again within seconds.
_TURN_SECONDS = 5.0


class StartError(Exception):
    """The control plane can't start; the message is one line that says what to do."""


@contextlib.asynccontextmanager
async def service_database(settings: Settings, *, wait_seconds: float = _DATABASE_SECONDS) -> AsyncIterator[str]:
    """The database of the service, ready: its URL. The embedded one is started, and migrated, and stopped at the end.

    Raises StartError.
    """
    if settings.database_url is not None:
        url = database_url(settings.database_url)
        await _wait_for_database(url, wait_seconds)
        await _require_migrated(url)
        yield url
        return
    async with _embedded(settings.data_dir) as url:
        yield url


@contextlib.asynccontextmanager
async def command_database(settings: Settings) -> AsyncIterator[str]:
    """The same database for one command, while the service runs or not. Raises StartError."""
    if settings.database_url is not None:
        async with service_database(settings, wait_seconds=5) as url:
            yield url
        return
    async with _embedded(settings.data_dir, share=True) as url:
        yield url


async def migrate_database(settings: Settings) -> str:
    """Migrate the service's database; where it is now. Raises StartError."""
    if settings.database_url is None:
        async with command_database(settings) as url:
            await migrate(url)
    else:
        url = database_url(settings.database_url)
        await _wait_for_database(url, _DATABASE_SECONDS)
        await migrate(url)
    return head_revision()


@contextlib.asynccontextmanager
async def open_services(settings: Settings, url: str) -> AsyncIterator[Services]:
    """The shared parts of one process, on the database at `url`. Raises StartError."""
    secrets = _secret_box(settings)
    async with _opened_store(settings, settings.storage_url) as store:
        engine = create_engine(
            url,
            pool_size=settings.database_pool_size,
            statement_timeout_seconds=settings.statement_timeout_seconds,
        )
        services = Services(settings, engine, create_sessions(engine), secrets, store, ConfigChanges())
        try:
            yield services
        finally:
            await services.direct.close()
            await engine.dispose()


@dataclass(frozen=True, slots=True)
class Footage:
    """What a command needs that goes through all footage: no secrets, and statements that may take long."""

    sessions: async_sessionmaker[AsyncSession]
    store: Store


@contextlib.asynccontextmanager
async def open_footage(settings: Settings, url: str, *, storage_url: str = "") -> AsyncIterator[Footage]:
    """The database at `url` and the store, the service's own unless `storage_url` names another. Raises StartError."""
    async with _opened_store(settings, storage_url or settings.storage_url) as store:
        engine = create_engine(
            url, pool_size=_COMMAND_CONNECTIONS, statement_timeout_seconds=_COMMAND_STATEMENT_SECONDS
        )
        try:
            yield Footage(create_sessions(engine), store)
        finally:
            await engine.dispose()


@contextlib.asynccontextmanager
async def _opened_store(settings: Settings, storage_url: str) -> AsyncIterator[Store]:
    try:
        store = open_store(
            storage_url, default_folder=settings.data_dir / "bucket", credentials=settings.gcp_credentials_path
        )
    except ValueError as error:
        raise StartError(str(error)) from error
    except OSError as error:
        raise StartError(f"the store {storage_url} can't be opened: {error}") from error
    try:
        yield store
    finally:
        await store.close()


def database_url(setting: SecretStr) -> str:
    """DATABASE_URL for asyncpg, also where it is written as other programs want it. Raises StartError."""
    try:
        url = make_url(setting.get_secret_value())
    except (ArgumentError, ValueError):
        # What was given is not repeated: it holds a password.
        raise StartError(
            "DATABASE_URL can't be read: it begins with postgresql+asyncpg:// and goes on with USER:PASSWORD, @, "
            "HOST:5432 and /NAME; special characters in a password are percent-encoded"
        ) from None
    if url.get_backend_name() not in {"postgresql", "postgres"}:
        raise StartError(f"DATABASE_URL names {url.get_backend_name()}: PostgreSQL 15 or later is what works")
    if (url.port or 0) > _LAST_PORT:
        # The system would take it modulo 65536, and look for the database at a port that nobody named.
        raise StartError(f"DATABASE_URL can't be used: there is no port {url.port}")
    return url.set(drivername="postgresql+asyncpg").render_as_string(hide_password=False)


@contextlib.asynccontextmanager
async def _embedded(data_dir: Path, *, share: bool = False) -> AsyncIterator[str]:
    """The embedded database, owned; with `share` that of another process, if one owns it."""
    postgres = EmbeddedPostgres(data_dir)
    deadline = time.monotonic() + _TURN_SECONDS
    while True:
        try:
            await postgres.start()
            break
        except InUseError as error:
            if share and (url := running_url(data_dir)) is not None:
                await _require_migrated(url, wait_seconds=_TURN_SECONDS)
                yield url
                return
            if time.monotonic() > deadline:
                raise StartError(f"{error}: is the control plane running already?") from error
            log.warning("embedded_postgres_in_use", data_dir=str(data_dir))
            await asyncio.sleep(0.5)
        except EmbeddedPostgresError as error:
            raise StartError(str(error)) from error
    keeper = asyncio.create_task(postgres.keep_running(), name="embedded-postgres")
    try:
        await migrate(postgres.url)
        yield postgres.url
    finally:
        keeper.cancel()
        await asyncio.wait([keeper])
        await postgres.stop()


async def _wait_for_database(url: str, seconds: float) -> None:
    """Wait while nothing answers at all; a wrong password or name does not get better by waiting."""
    where = _where(make_url(url))
    deadline = time.monotonic() + seconds
    pause = 0.2
    while (problem := await _problem(url)) is not None:
        if time.monotonic() + pause > deadline:
            raise StartError(f"the database at {where} could not be reached within {seconds:.0f} s: {problem}")
        log.warning("database_not_reached", database=where, problem=problem, next_try_seconds=pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, 5.0)


async def _problem(url: str) -> str | None:
    """Why the database can't be reached now; None if it answers. Raises StartError for what waiting can't help."""
    where = _where(make_url(url))
    try:
        connection = await asyncpg.connect(
            make_url(url).set(drivername="postgresql").render_as_string(hide_password=False), timeout=5
        )
    except asyncpg.InvalidAuthorizationSpecificationError:
        raise StartError(f"the database at {where} refuses the user or the password of DATABASE_URL") from None
    except asyncpg.InvalidCatalogNameError:
        raise StartError(f"there is no such database: {where}; create it, or correct DATABASE_URL") from None
    except ValueError as error:  # asyncpg's for an option that does not exist
        raise StartError(f"DATABASE_URL can't be used: {error}") from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return str(error) or type(error).__name__
    await connection.close(timeout=5)
    return None


async def _require_migrated(url: str, *, wait_seconds: float = 0) -> None:
    deadline = time.monotonic() + wait_seconds
    engine = create_engine(url, pool_size=1)
    try:
        while True:
            async with engine.connect() as connection:
                revision = await current_revision(connection)
            if revision == head_revision():
                return
            if time.monotonic() >= deadline:
                raise StartError(
                    f"the database is at migration {revision or 'none'} and this version needs {head_revision()}: "
                    "run `control-plane migrate`"
                )
            await asyncio.sleep(0.1)
    except (SQLAlchemyError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        refusal = refusal_for(error)
        raise StartError(refusal.detail if refusal else f"the database refuses: {type(error).__name__}") from error
    finally:
        await engine.dispose()


def _secret_box(settings: Settings) -> SecretBox:
    keys = settings.secret_keys.get_secret_value() if settings.secret_keys is not None else ""
    if not keys and settings.database_url is not None:
        raise StartError(
            "SECRET_KEYS is not set: it encrypts camera passwords in the database; "
            "make a key with `control-plane create-secret-key` and keep it safe"
        )
    try:
        return SecretBox(keys or _own_key(settings.data_dir / "secret.key"))
    except (ValueError, OSError) as error:
        raise StartError(str(error)) from error


def _own_key(path: Path) -> str:
    """The key beside the embedded database; made at the first start."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_text().strip()
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(Fernet.generate_key().decode() + "\n")
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        # Never over a key that another process has just made.
        os.link(unfinished, path)
    unfinished.unlink()
    log.warning("secret_key_made", path=str(path), advice="back it up: without it no camera password can be read")
    return path.read_text().strip()


def _where(url: URL) -> str:
    return f"{url.host or 'localhost'}:{url.port or 5432}/{url.database or ''}"
