"""Thousands of recorders wait for news on a few replicas, while an operator edits cameras: how long each edit takes."""

import asyncio
import contextlib
import json
import random
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography.fernet import Fernet

from bench.api.fleet import BenchClient, fill, read_clients
from bench.processes import cost_of, free_port
from control_plane.security.secrets import SecretBox
from demo.processes import Child, call, start
from demo.ready import wait_until_healthy
from trials.waiters import Waiter

WITHIN_SECONDS = 1.0
_AT_ONCE = 50
_WAIT_SECONDS = 60
_SETTLE_SECONDS = 3.0
_LONGEST_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Pushed:
    """What the edits took, from the operator's request to the recorder's having read all of the new document."""

    recorders: int
    replicas: int
    edits: int
    arrived: int
    median_ms: float
    p95_ms: float
    worst_ms: float
    news_for_nobody: int
    """Documents that reached recorders without an edit of theirs."""
    memory_per_waiting_kb: float
    """By which a replica grew, for each recorder that waits there."""
    memory_of_a_replica_mb: float
    processor_while_waiting: float
    """Share of one processor that all replicas took together while nothing was edited."""

    @property
    def holds(self) -> bool:
        """Every edit arrived, and in time."""
        return self.arrived == self.edits and self.worst_ms < 1000 * WITHIN_SECONDS and not self.news_for_nobody

    def as_json(self) -> dict[str, Any]:
        """For build/."""
        return asdict(self) | {"holds": self.holds}


async def push(
    folder: Path, database: str, recorders: int, replicas: int, edits: int, *, tell: Callable[[str], None] = print
) -> Pushed:
    """The trial."""
    key = Fernet.generate_key().decode()
    await fill(database, SecretBox(key), clients=recorders, cameras_each=1, segments=recorders)
    clients = await read_clients(database)
    settings = {"DATABASE_URL": database, "SECRET_KEYS": key, "DATA_DIR": str(folder / "control-plane")}
    printed = await call("control-plane", "create-api-key", "trial", "--role", "operator", env=settings, folder=folder)
    async with contextlib.AsyncExitStack() as stack:
        ports = [free_port() for _ in range(replicas)]
        children = [
            await stack.enter_async_context(_replica(number, port, settings, folder))
            for number, port in enumerate(ports)
        ]
        tell(f"{replicas} replicas are up; {recorders} recorders connect")
        # Once with everything loaded that only the first call loads.
        await _connect(clients[: 2 * replicas], ports, stack)
        before = [cost_of([child.process.pid]) for child in children]
        waiters = await _connect(clients, ports, stack)
        await asyncio.sleep(_SETTLE_SECONDS)
        began, waiting = time.monotonic(), [cost_of([child.process.pid]) for child in children]
        tell("all of them wait")
        await asyncio.sleep(_SETTLE_SECONDS)
        idle = time.monotonic() - began
        after = [cost_of([child.process.pid]) for child in children]
        operator = _Operator(f"http://127.0.0.1:{ports[0]}", printed.split()[-1])
        delays, strays = await _edit(operator, clients, waiters, edits)
    grown = sum(cost.memory_bytes for cost in waiting) - sum(cost.memory_bytes for cost in before)
    used = sum(cost.cpu_seconds for cost in after) - sum(cost.cpu_seconds for cost in waiting)
    return Pushed(
        recorders=recorders,
        replicas=replicas,
        edits=edits,
        arrived=len(delays),
        median_ms=round(1000 * statistics.median(delays or [0.0]), 1),
        p95_ms=round(1000 * sorted(delays or [0.0])[int(0.95 * len(delays))], 1),
        worst_ms=round(1000 * max(delays, default=0.0), 1),
        news_for_nobody=strays,
        memory_per_waiting_kb=round(grown / recorders / 1000, 1),
        memory_of_a_replica_mb=round(sum(cost.memory_bytes for cost in waiting) / replicas / 1e6, 1),
        processor_while_waiting=round(used / idle, 3),
    )


@contextlib.asynccontextmanager
async def _replica(number: int, port: int, settings: dict[str, str], folder: Path) -> AsyncIterator[Child]:
    env = {**settings, "PORT": str(port), "LOG_FORMAT": "json"}
    child = await start(f"replica {number + 1}", "control-plane", "serve", env=env, folder=folder)
    try:
        await wait_until_healthy(f"http://127.0.0.1:{port}/health/ready", child, asyncio.Event(), seconds=120)
        yield child
    finally:
        await child.end(seconds=30)


async def _connect(
    clients: Sequence[BenchClient], ports: Sequence[int], stack: contextlib.AsyncExitStack
) -> list[Waiter]:
    """One connection for each, on the replicas in turn; all of them have the newest document, and wait for another."""
    turns = asyncio.Semaphore(_AT_ONCE)
    waiters = [Waiter(client.token, ports[number % len(ports)], _WAIT_SECONDS) for number, client in enumerate(clients)]

    async def begin(waiter: Waiter) -> None:
        async with turns, asyncio.timeout(_LONGEST_SECONDS):
            await waiter.begin()

    await asyncio.gather(*map(begin, waiters))
    for waiter in waiters:
        stack.callback(waiter.end)
    return waiters


class _Operator:
    """Edits cameras over the REST API of one replica."""

    def __init__(self, url: str, key: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=f"{url}/v0/api/cctv/", headers={"Authorization": f"Bearer {key}"}, timeout=_LONGEST_SECONDS
        )

    async def rename(self, camera_id: uuid.UUID, name: str) -> None:
        (await self._http.patch(f"cameras/{camera_id}/", json={"name": name})).raise_for_status()

    async def end(self) -> None:
        await self._http.aclose()


async def _edit(
    operator: _Operator, clients: Sequence[BenchClient], waiters: Sequence[Waiter], edits: int
) -> tuple[list[float], int]:
    chance, delays = random.Random(11), []  # noqa: S311 - chance, not secrets
    try:
        for number in range(edits):
            at = chance.randrange(len(clients))
            name = f"Renamed {number}"
            news = waiters[at].next_news()
            began = time.perf_counter()
            asked = asyncio.create_task(operator.rename(clients[at].camera_ids[0], name))
            try:
                async with asyncio.timeout(_LONGEST_SECONDS):
                    arrived, body = await news
            finally:
                await asked
            if json.loads(body)["cameras"][0]["name"] == name:
                delays.append(arrived - began)
            await asyncio.sleep(0.02)
    finally:
        await operator.end()
    return delays, sum(waiter.documents for waiter in waiters) - edits
