"""`api.*`: how many calls of recorders are answered a second, by the control plane and by the bare server."""

import asyncio
import contextlib
import statistics
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
from cryptography.fernet import Fernet

from bench.api.fleet import BenchClient, fill, read_clients
from bench.api.load import Served, load
from bench.api.requests import Requests
from bench.processes import free_port
from bench.results import Result, at_least
from control_plane.embedded import EmbeddedPostgres
from control_plane.migration import migrate
from control_plane.security.secrets import SecretBox
from demo.processes import Child, start
from demo.ready import wait_until_healthy

CONNECTIONS = 32
_ROUNDS = 3
_WARM_UP_SECONDS = 0.5
_SECONDS = 2.5
_API = "/v0/api/local-client"
_AT_ONCE = 8

GOALS = {
    "api.heartbeat": 0.8,
    "api.schedules_304": 0.8,
    "api.schedules": 0.5,
    "api.config": 0.5,
    "api.register": 0.5,
    "api.register.predecessor": 0.5,
    "api.status": 0.5,
    "api.offer": 0.5,
}


@dataclass(frozen=True, slots=True)
class Size:
    """How large the fleet is, and how long each call is measured."""

    clients: int = 1000
    cameras_each: int = 4
    segments: int = 1_000_000
    rounds: int = _ROUNDS
    seconds: float = _SECONDS


@dataclass(frozen=True, slots=True)
class Contender:
    """A server under load."""

    port: int
    child: Child
    requests: Requests


async def api(folder: Path) -> list[Result]:
    """All of it."""
    return [
        at_least(name, _typical(ours), "answers/s", _typical(bare), GOALS[name])
        for name, (ours, bare) in (await measured(folder, Size(), GOALS)).items()
    ]


async def measured(folder: Path, size: Size, names: Iterable[str]) -> Mapping[str, tuple[list[Served], list[Served]]]:
    """Of each call, what the control plane and the bare server did, a run a round."""
    postgres = EmbeddedPostgres(folder / "database")
    await postgres.start()
    try:
        await migrate(postgres.url)
        key = Fernet.generate_key().decode()
        await fill(
            postgres.url,
            SecretBox(key),
            clients=size.clients,
            cameras_each=size.cameras_each,
            segments=size.segments,
        )
        clients = await read_clients(postgres.url)
        async with (
            _contender("control plane", folder, clients, _control_plane(folder, postgres.url, key)) as ours,
            _contender("bare server", folder, clients, _bare_server(postgres.url)) as bare,
        ):
            return {name: await _in_turn(name, ours, bare, size) for name in names}
    finally:
        await postgres.stop()


async def _in_turn(name: str, ours: Contender, bare: Contender, size: Size) -> tuple[list[Served], list[Served]]:
    runs: tuple[list[Served], list[Served]] = [], []
    for _ in range(size.rounds):
        for contender, its_runs in zip((ours, bare), runs, strict=True):
            make, status = contender.requests.of(name), contender.requests.status_of(name)
            for seconds in (min(_WARM_UP_SECONDS, size.seconds), size.seconds):
                served = await load(contender.port, seconds, make, status=status, connections=CONNECTIONS)
            its_runs.append(served)
            contender.child.raise_if_ended()
    return runs


def _typical(runs: list[Served]) -> float:
    return statistics.median(run.per_second for run in runs)


_Start = Callable[[int], tuple[tuple[str, ...], dict[str, str]]]
"""The command and the environment of a server on a port."""


def _control_plane(folder: Path, database: str, key: str) -> _Start:
    settings = {"DATABASE_URL": database, "SECRET_KEYS": key, "DATA_DIR": str(folder / "control-plane")}
    return lambda port: (("control-plane", "serve"), settings | {"PORT": str(port)})


def _bare_server(database: str) -> _Start:
    root = str(Path(__file__).parents[2])
    return lambda port: (
        (Path(sys.executable).name, "-m", "bench.api.bare", str(port), database),
        {"PYTHONPATH": root},
    )


@contextlib.asynccontextmanager
async def _contender(name: str, folder: Path, clients: list[BenchClient], how: _Start) -> AsyncIterator[Contender]:
    port = free_port()
    command, env = how(port)
    child = await start(name, *command, env=env, folder=folder)
    try:
        url = f"http://127.0.0.1:{port}{_API}"
        await wait_until_healthy(f"{url}/health", child, asyncio.Event(), seconds=60)
        async with httpx.AsyncClient(base_url=url, timeout=30) as http:
            etags = {path: await _etags(http, path, clients) for path in ("schedules", "config")}
        yield Contender(port, child, Requests(_API, clients, etags))
    finally:
        await child.end(seconds=20)


async def _etags(http: httpx.AsyncClient, path: str, clients: list[BenchClient]) -> list[str]:
    """Of each client's document, which is thereby read for the first time: what is measured is what comes after."""
    turns = asyncio.Semaphore(_AT_ONCE)

    async def etag(client: BenchClient) -> str:
        async with turns:
            answer = await http.get(path, headers={"Authorization": f"Bearer {client.token}"})
        return answer.raise_for_status().headers["ETag"]

    return list(await asyncio.gather(*map(etag, clients)))
