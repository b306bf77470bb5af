"""Two replicas of the control plane on one database, under load; one is killed in the middle of its background work."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from sqlalchemy.engine import make_url

from bench.processes import free_port
from control_plane.jobs.queue import create_queue
from control_plane.jobs.retention import defer_retention
from demo.processes import Child, DemoError, call, start
from demo.ready import wait_until_healthy
from trials.old_footage import OldFootage, make_cameras

_CAMERAS = 8
_WAVE = 150
_BIG_WAVE = 1500
_HEARTBEATS_AT_ONCE = 4
_LIMIT_SECONDS = 180.0
_BREAK_SECONDS = 5.0

# By job: its ticks, how many of them were written down twice, and how many are missing between the first and the last.
_TICKS = """
    SELECT task_name, count(*) AS jobs, count(DISTINCT tick) AS ticks, (max(tick) - min(tick)) / $1 + 1 AS expected
    FROM (SELECT task_name, CAST(args->>'timestamp' AS bigint) AS tick FROM jobs.procrastinate_jobs) AS job
    WHERE task_name = ANY($2) GROUP BY task_name ORDER BY task_name
"""
_PERIODS = {10: ["rescue"], 15: ["liveness"], 60: ["object_holds", "retention"]}
_RUNS = """
    SELECT job.id, job.task_name, job.status::text AS status,
           count(*) FILTER (WHERE event.type = 'started') AS starts,
           count(*) FILTER (WHERE event.type = 'deferred_for_retry') AS retries,
           max(event.at) FILTER (WHERE event.type = 'started') AS last_start
    FROM jobs.procrastinate_jobs AS job JOIN jobs.procrastinate_events AS event ON event.job_id = job.id
    GROUP BY job.id
"""


@dataclass(frozen=True, slots=True)
class Ticks:
    """Of one periodic job."""

    job: str
    jobs: int
    ticks: int
    expected: int


@dataclass(frozen=True, slots=True)
class Replicated:
    """What the queue and the footage say in the end."""

    ticks: list[Ticks]
    jobs: int
    started_once: int
    left_by_the_killed: int
    taken_over: int
    slowest_takeover_seconds: float
    started_again_for_no_reason: list[str]
    not_done: list[str]
    deleted_segments: int
    segments_in_audit: int
    old_segments_left: int
    files_left: int
    held_segments: int
    heartbeats: int
    worst_heartbeat_seconds: float

    @property
    def holds(self) -> bool:
        """Each job once, each tick once, and what the killed one left is done."""
        return (
            all(one.jobs == one.ticks == one.expected for one in self.ticks)
            and self.left_by_the_killed == self.taken_over > 0
            and not self.started_again_for_no_reason
            and not self.not_done
            and self.deleted_segments == self.segments_in_audit
            and self.old_segments_left == 0
            and self.files_left == self.held_segments
        )

    def as_json(self) -> dict[str, Any]:
        """For build/."""
        return asdict(self) | {"holds": self.holds}


async def run_replicas(
    folder: Path, database: str, seconds: float, *, tell: Callable[[str], None] = print
) -> Replicated:
    """The trial. `seconds` are those of load, with the kill in their middle."""
    store = folder / "bucket"
    store.mkdir()
    settings = {
        "DATABASE_URL": database,
        "SECRET_KEYS": (await call("control-plane", "create-secret-key", env={}, folder=folder)).strip(),
        "DATA_DIR": str(folder / "control-plane"),
        "STORAGE_URL": store.as_uri(),
    }
    printed = await call("control-plane", "create-client", "box", "--site", "trial", env=settings, folder=folder)
    token = printed.splitlines()[-1]
    async with _connected(database) as connection:
        client_id = await connection.fetchval("SELECT id FROM clients")
        footage = await make_cameras(connection, store, client_id, _CAMERAS)
        await footage.add(20, is_held=True)
        trial = _Trial(folder, settings, footage, token)
        try:
            return await trial.run(database, seconds, tell)
        finally:
            for replica in trial.replicas:
                await replica.end(seconds=20)


class _Trial:
    def __init__(self, folder: Path, settings: dict[str, str], footage: OldFootage, token: str) -> None:
        self._folder = folder
        self._settings = settings
        self._footage = footage
        self._connection = footage.connection
        self._token = token
        self._ports = (free_port(), free_port())
        self._heartbeats: list[float] = []
        self.replicas: list[Child] = []

    async def run(self, database: str, seconds: float, tell: Callable[[str], None]) -> Replicated:
        doomed = await self._start(0)
        (worker,) = await self._workers()
        await self._start(1)
        async with asyncio.TaskGroup() as tasks:
            load = [tasks.create_task(self._send_heartbeats(number)) for number in range(_HEARTBEATS_AT_ONCE)]
            load.append(tasks.create_task(self._make_footage_old()))
            await asyncio.sleep(seconds / 2)
            left, killed_at = await self._kill_in_the_middle(database, doomed, worker)
            tell(f"killed a replica that had {len(left)} jobs in hand")
            await asyncio.sleep(_BREAK_SECONDS)
            await self._start(0)
            await asyncio.sleep(seconds / 2)
            for task in load:
                task.cancel()
        await self._until_idle(database, left)
        return await self._account(left, killed_at)

    async def _start(self, number: int) -> Child:
        port = self._ports[number]
        env = {**self._settings, "PORT": str(port)}
        replica = await start(f"replica {number + 1}", "control-plane", "serve", env=env, folder=self._folder)
        self.replicas.append(replica)
        workers = len(await self._workers())
        await wait_until_healthy(f"http://127.0.0.1:{port}/health/ready", replica, asyncio.Event(), seconds=120)
        await self._until(lambda known: len(known) > workers)
        return replica

    async def _workers(self) -> list[int]:
        found = await self._connection.fetch("SELECT id FROM jobs.procrastinate_workers")
        return [row["id"] for row in found]

    async def _until(self, is_enough: Callable[[list[int]], bool]) -> None:
        limit = time.monotonic() + _LIMIT_SECONDS
        while not is_enough(await self._workers()):
            if time.monotonic() > limit:
                raise DemoError(f"a worker did not begin; see {self._folder}")
            await asyncio.sleep(0.1)

    async def _make_footage_old(self) -> None:
        while True:
            await self._footage.add(_WAVE)
            await asyncio.sleep(20)

    async def _send_heartbeats(self, number: int) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        async with httpx.AsyncClient(headers=headers, timeout=10) as http:
            while True:
                # The killed one refuses connections: then the other is asked, as a load balancer does.
                for port in (self._ports[number % 2], self._ports[(number + 1) % 2]):
                    begun = time.monotonic()
                    try:
                        answer = await http.post(f"http://127.0.0.1:{port}/v0/api/local-client/heartbeat", json={})
                    except httpx.TransportError:
                        continue
                    if answer.status_code == httpx.codes.OK:
                        self._heartbeats.append(time.monotonic() - begun)
                        break
                await asyncio.sleep(0.1)

    async def _kill_in_the_middle(self, database: str, doomed: Child, worker: int) -> tuple[set[int], datetime]:
        """Kills it as soon as it has a camera's retention in hand; the jobs that it leaves, and when."""
        in_hand = "SELECT id FROM jobs.procrastinate_jobs WHERE status = 'doing' AND worker_id = $1"
        await self._footage.add(_BIG_WAVE)
        await self._defer_all(database)
        limit = time.monotonic() + _LIMIT_SECONDS
        while not await self._connection.fetch(f"{in_hand} AND task_name = 'retention_of_camera'", worker):
            if time.monotonic() > limit:
                raise DemoError("the replica to be killed got no job")
            await asyncio.sleep(0.02)
        doomed.process.kill()
        await doomed.process.wait()
        left = {row["id"] for row in await self._connection.fetch(in_hand, worker)}
        return left, await self._connection.fetchval("SELECT now()")

    async def _defer_all(self, database: str) -> None:
        queue = create_queue(make_url(database))
        async with queue.open_async():
            for camera_id in self._footage.cameras:
                # As the tick does it, which comes once a minute.
                await defer_retention(queue, camera_id)

    async def _until_idle(self, database: str, left: set[int]) -> None:
        """First what the killed one left, then all that is still old."""
        await self._until_none("id = ANY($1) AND status <> 'succeeded'", list(left))
        await self._defer_all(database)
        await self._until_none("task_name = ANY($1) AND status IN ('todo', 'doing')", ["retention_of_camera"])
        for replica in self.replicas:
            await replica.end(seconds=20)

    async def _until_none(self, which: str, among: list[Any]) -> None:
        """What is not done in time is for the account to tell."""
        limit = time.monotonic() + _LIMIT_SECONDS
        query = f"SELECT count(*) FROM jobs.procrastinate_jobs WHERE {which}"  # noqa: S608 - ours
        while time.monotonic() < limit:
            if not await self._connection.fetchval(query, among):
                return
            await asyncio.sleep(0.5)

    async def _account(self, left: set[int], killed_at: datetime) -> Replicated:
        fetchval = self._connection.fetchval
        runs = await self._connection.fetch(_RUNS)
        ticks = [
            Ticks(row["task_name"], row["jobs"], row["ticks"], row["expected"])
            for period, jobs in _PERIODS.items()
            for row in await self._connection.fetch(_TICKS, period, jobs)
        ]
        again = [run for run in runs if run["id"] in left]
        done = [run for run in again if run["status"] == "succeeded" and run["last_start"] > killed_at]
        held = "SELECT count(*) FROM segments JOIN recordings ON recordings.id = recording_id WHERE held_at IS NOT NULL"
        return Replicated(
            ticks=ticks,
            jobs=len(runs),
            started_once=sum(run["starts"] == 1 for run in runs),
            left_by_the_killed=len(left),
            taken_over=len(done),
            slowest_takeover_seconds=max(
                ((run["last_start"] - killed_at).total_seconds() for run in done), default=0.0
            ),
            started_again_for_no_reason=[
                f"{run['task_name']} {run['id']}" for run in runs if run["starts"] > 1 and run["id"] not in left
            ],
            not_done=[
                f"{run['task_name']} {run['id']} {run['status']}"
                for run in runs
                if run["id"] not in left and run["status"] not in {"succeeded", "todo"}
            ],
            deleted_segments=await fetchval("SELECT count(*) FROM segments WHERE state = 'deleted'"),
            segments_in_audit=await fetchval(
                "SELECT coalesce(sum(CAST(detail->>'segments' AS bigint)), 0)::bigint FROM events"
                " WHERE kind = 'camera.footage_deleted'"
            ),
            old_segments_left=await fetchval("SELECT count(*) FROM segments WHERE state = 'stored'")
            - await fetchval(held),
            files_left=sum(1 for _ in self._footage.store.rglob("*.mp4")),
            held_segments=await fetchval(held),
            heartbeats=len(self._heartbeats),
            worst_heartbeat_seconds=max(self._heartbeats, default=0.0),
        )


@contextlib.asynccontextmanager
async def _connected(database: str) -> "AsyncIterator[asyncpg.Pool[asyncpg.Record]]":
    url = make_url(database)
    async with asyncpg.create_pool(
        user=url.username,
        password=url.password,
        host=url.host,
        port=url.port,
        database=url.database,
        ssl=False,
        min_size=1,
        max_size=4,
    ) as pool:
        yield pool
