"""One embedded PostgreSQL: starting, stopping and finding it."""

import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import asyncpg
import structlog

from control_plane.embedded import launcher, postmaster
from control_plane.embedded.grounds import Grounds, GroundsError, prepare

log = structlog.get_logger()

_DATABASE = "camfleet"
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_LOG_BYTES = 5 * 1024 * 1024

# One small site, or a demo: little memory. Loopback TCP alone, since a data directory's path may be longer than the
# address of a Unix socket can be.
_PARAMETERS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "max_connections": "60",
    "max_wal_size": "256MB",
    "min_wal_size": "32MB",
    "password_encryption": "scram-sha-256",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    "log_min_error_statement": "panic",
}


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL did not start; the message says what to do."""


class InUseError(EmbeddedPostgresError):
    """Another process owns the embedded PostgreSQL of this data directory."""


class EmbeddedPostgres:
    """The PostgreSQL of one data directory, owned by this process between `start` and `stop`.

    If this process is killed, PostgreSQL shuts down by itself (Linux) or is stopped and started anew by the next owner.
    """

    def __init__(
        self, data_dir: Path, *, programs: Path | None = None, parameters: Mapping[str, str] | None = None
    ) -> None:
        """Take another PostgreSQL's `programs` (folder of initdb and postgres) and more `parameters` for tests."""
        self.data_dir = data_dir
        self._programs = programs
        self._parameters = {**_PARAMETERS, **(parameters or {})}
        self._port = 0
        self._password = ""
        self._lock: int | None = None
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where it is reached while it runs, for SQLAlchemy."""
        return _url(self._password, self._port)

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start it, on the same port as before if this object did once. Raise EmbeddedPostgresError with what to do.

        Call it from a thread that lives as long as the server should, as the main thread does.
        """
        try:
            grounds = prepare(self.data_dir, self._programs)
        except (GroundsError, OSError) as error:
            raise EmbeddedPostgresError(f"no place for the embedded PostgreSQL: {error}") from error
        self._lock = _lock(grounds.folder)
        try:
            await self._start(grounds)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End its sessions, write everything to disk, stop it. Nothing happens if it does not run."""
        if self._process is not None:
            await _end(self._process)
            self._process = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def keep_running(self) -> None:
        """Start it again whenever it ends by itself, on the same port, until cancelled."""
        while self._process is not None:
            code = await self._process.wait()
            log.error("embedded_postgres_ended", exit_code=code)
            await self.stop()
            pause = 0.5
            while True:
                await asyncio.sleep(pause)
                try:
                    await self.start()
                    break
                except EmbeddedPostgresError as error:
                    log.error("embedded_postgres_not_restarted", error=str(error))  # noqa: TRY400 - its text says all
                    pause = min(pause * 2, 30)

    async def _start(self, grounds: Grounds) -> None:
        cluster = grounds.folder / "cluster"
        await postmaster.stop_earlier(cluster, _STOP_SECONDS)
        self._password, exists = _password(grounds, cluster), cluster.exists()
        if not exists:
            await _make_cluster(grounds, cluster)
        for attempt in range(3):
            port = self._port or _free_port()
            if await self._run(grounds, cluster, port):
                self._port = port
                break
            log.warning("embedded_postgres_ended_at_start", attempt=attempt, log=_last_lines(grounds))
            # Another program took the port, or the last backends of a killed server still hold its memory.
            await asyncio.sleep(attempt)
        else:
            raise EmbeddedPostgresError(
                f"the embedded PostgreSQL in {grounds.folder} does not start: {_last_lines(grounds)}"
            )
        try:
            await _make_database(self._password, self._port)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
            # One of its processes was killed just after it had come up.
            raise EmbeddedPostgresError(
                f"the embedded PostgreSQL in {grounds.folder} lets nobody in: {error}"
            ) from error
        log.info("embedded_postgres_started", folder=str(grounds.folder), port=self._port, user=grounds.user.name)

    async def _run(self, grounds: Grounds, cluster: Path, port: int) -> bool:
        """Whether it came up."""
        options = [f"--{name}={value}" for name, value in {**self._parameters, "port": str(port)}.items()]
        with _open_log(grounds) as output:
            self._process = await asyncio.create_subprocess_exec(
                *_command(grounds, "postgres", "-D", str(cluster), *options),
                cwd="/",
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # Ctrl-C in a terminal is for the service, which stops PostgreSQL when it has finished.
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while self._process.returncode is None:
            state = postmaster.read(cluster)
            if state and state.pid == self._process.pid and state.is_ready:
                return True
            if time.monotonic() > deadline:
                await _end(self._process)
                break
            await asyncio.sleep(0.02)
        self._process = None
        return False


def running_url(data_dir: Path) -> str | None:
    """Where the embedded PostgreSQL of `data_dir` is reached, if some process runs it and it is ready."""
    folder = (data_dir / "postgres").resolve()
    state = postmaster.read(folder / "cluster")
    if state is None or not state.is_ready or not postmaster.is_running(state.pid, folder / "cluster"):
        return None
    return _url((folder / "password").read_text(), state.port)


def _url(password: str, port: int) -> str:
    return f"postgresql+asyncpg://camfleet:{password}@127.0.0.1:{port}/{_DATABASE}"


def _lock(folder: Path) -> int:
    """Own the folder as long as the returned descriptor is open; a killed owner's lock is gone with it."""
    descriptor = os.open(folder / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise InUseError(f"another process already runs the embedded PostgreSQL in {folder}") from None
    return descriptor


def _password(grounds: Grounds, cluster: Path) -> str:
    """The cluster's password; a new one where there is no cluster yet."""
    path = grounds.folder / "password"
    if cluster.exists():
        return path.read_text()
    password = secrets.token_urlsafe(32)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(password)
        file.flush()
        # Before the cluster is made: a power cut must not leave a database that nobody can enter.
        os.fsync(file.fileno())
    if os.geteuid() == 0:
        os.chown(path, grounds.user.uid, grounds.user.gid)
    return password


async def _make_cluster(grounds: Grounds, cluster: Path) -> None:
    """Under another name until it is whole, so that an initdb that is cut short is simply done again."""
    unfinished = grounds.folder / "cluster.unfinished"
    await asyncio.to_thread(shutil.rmtree, unfinished, ignore_errors=True)
    initdb = await asyncio.create_subprocess_exec(
        *_command(grounds, "initdb", "-D", str(unfinished), f"--pwfile={grounds.folder / 'password'}"),
        *("--username=camfleet", "--auth=scram-sha-256", "--encoding=UTF8", "--no-instructions"),
        *await _locale(grounds),
        cwd="/",
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    _, complaint = await initdb.communicate()
    if initdb.returncode:
        text = complaint.decode(errors="replace").strip()
        raise EmbeddedPostgresError(f"initdb failed in {grounds.folder}: {text or initdb.returncode}")
    unfinished.rename(cluster)


async def _locale(grounds: Grounds) -> tuple[str, ...]:
    """Every machine sorts alike, by code point; upper and lower case are Unicode's where the server knows them."""
    version = await asyncio.create_subprocess_exec(
        str(grounds.programs / "postgres"), "--version", stdout=subprocess.PIPE, cwd="/"
    )
    text, _ = await version.communicate()
    major = int(text.split()[2].split(b".")[0])
    first_with_builtin_locales = 17
    if major < first_with_builtin_locales:
        return ("--locale=C",)
    return ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


async def _make_database(password: str, port: int) -> None:
    connection = await asyncpg.connect(
        user="camfleet", password=password, host="127.0.0.1", port=port, database="postgres", timeout=10, ssl=False
    )
    try:
        with contextlib.suppress(asyncpg.DuplicateDatabaseError):
            await connection.execute(f"CREATE DATABASE {_DATABASE}")
    finally:
        await connection.close(timeout=5)


def _command(grounds: Grounds, program: str, *arguments: str) -> list[str]:
    user = grounds.user
    python = [sys.executable, "-I", "-S", launcher.__file__, str(user.uid), str(user.gid), str(os.getpid())]
    return [*python, str(grounds.programs / program), *arguments]


def _environment() -> dict[str, str]:
    """Nothing of the service's own environment: it holds secrets, and PostgreSQL would take PG* as settings."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


async def _end(process: asyncio.subprocess.Process) -> None:
    """Fast shutdown, then harder ways if it does not end. All of them are safe for the data."""
    for sign in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(sign)
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS)
        except TimeoutError:
            log.warning("embedded_postgres_does_not_stop", signal=sign.name)
        else:
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _open_log(grounds: Grounds) -> BinaryIO:
    path = grounds.folder / "postgres.log"
    if path.exists() and path.stat().st_size > _LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def _last_lines(grounds: Grounds) -> str:
    path = grounds.folder / "postgres.log"
    lines = path.read_text(errors="replace").splitlines() if path.exists() else []
    return " / ".join(lines[-3:]) or "it says nothing"
