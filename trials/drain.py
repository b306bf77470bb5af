"""A backlog that is drained while everything is killed at random moments: stored once, and nothing deleted before."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from demo.processes import DemoError
from recorder.spool import Spool
from trials.backlog import Footage, Waiting, fill, is_whole
from trials.bucket import asked_of, generations
from trials.mortal_site import CAMERAS, MortalSite, Way, open_mortal_site
from trials.orphans import orphans
from trials.receipts import Objects, Receipts, rows, wait_until_up

SEGMENT_SECONDS = 60.0
PACKETS = (2, 2, 2, 3, 5, 25)
"""Sizes from 80 kB to 0.9 MB: in one chunk, and in several."""
LATEST_SECONDS = 0.4
"""A kill comes so long at most after its segment has gone."""
LIMIT_KBIT = 20_000
"""The line: so that most of the backlog still waits at each kill, also on a fast machine."""
STALL_SECONDS = 150.0
"""After a kill everybody waits before trying again, up to a minute; a drain that stands longer than that stands."""


@dataclass(frozen=True, slots=True)
class Drained:
    """What became of the backlog."""

    way: Way
    segments: int
    kills: dict[str, int]
    seconds: float
    looks: int
    """How often what had gone from the disk was looked for in database and store."""
    faults: list[str]
    """Everything that isn't as promised."""
    sent_share: float
    """Bytes of segments that reached the store's side, of those that there are: what was cut off is sent again."""
    sessions: int
    """Upload sessions that were opened."""
    offers: int
    """Calls with offers, of which the control plane's log tells."""

    @property
    def holds(self) -> bool:
        return not self.faults

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"holds": self.holds}


async def drain_under_kills(
    folder: Path, way: Way, segments: int, kills: int, seed: int, tell: Callable[[str], None] = lambda _: None
) -> Drained:
    """All of it, in `folder`. Each kind of victim falls as often as the others; when is drawn from `seed`."""
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    async with open_mortal_site(folder, way, {"UPLOAD_LIMIT_KBIT": str(LIMIT_KBIT)}) as site:
        since = datetime.now(UTC) - timedelta(seconds=SEGMENT_SECONDS * (segments // CAMERAS + 2))
        footage = Footage(segments, since, SEGMENT_SECONDS, PACKETS)
        waiting = await asyncio.to_thread(fill, site.base, site.cameras, footage, chance)
        receipts, objects = Receipts(waiting, site.url, site.objects), Objects(site.objects)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await site.recorder.start()
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(receipts.run())
            killed = await _kill(site, receipts, objects, kills, chance, tell)
            await _until_gone(receipts, segments, site)
            watch.cancel()
        seconds = loop.time() - begun
        await site.recorder.stop()
        await wait_until_up(site.url)
        await asyncio.to_thread(objects.look)
        asked = asked_of(folder / "bucket")
        found = await _faults(site, waiting)
        return Drained(
            way,
            segments,
            dict(killed),
            seconds,
            receipts.looks,
            [*receipts.too_early, *(f"{name}: written again" for name in objects.replaced), *found],
            asked.received_bytes / sum(one.size_bytes for one in waiting),
            asked.opened.total(),
            await asyncio.to_thread(_offers, folder),
        )


async def _kill(
    site: MortalSite,
    receipts: Receipts,
    objects: Objects,
    kills: int,
    chance: random.Random,
    tell: Callable[[str], None],
) -> Counter[str]:
    """Each when so many segments have gone, and a moment later."""
    victims, killed = site.victims(chance), Counter[str]()
    names = [list(victims)[number % len(victims)] for number in range(kills)]
    chance.shuffle(names)
    most = len(receipts.segments)
    places = sorted(chance.sample(range(most * 9 // 10), kills))
    for name, place in zip(names, places, strict=True):
        moment = chance.uniform(0, LATEST_SECONDS)
        await _until_gone(receipts, place, site)
        await asyncio.sleep(moment)
        tell(f"{len(receipts.gone)} of {most} gone: kill -9 of the {name}")
        await victims[name]()
        killed[name] += 1
        await receipts.look()
        await asyncio.to_thread(objects.look)
    return killed


async def _until_gone(receipts: Receipts, count: int, site: MortalSite) -> None:
    """DemoError if nothing more goes for long."""
    while len(receipts.gone) < count:
        before = len(receipts.gone)
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await receipts.wait_for(min(before + 1, count))
        except TimeoutError:
            site.recorder.raise_if_ended()
            site.control_plane.raise_if_ended()
            raise DemoError(f"after {before} segments nothing more was drained; see {site.folder}") from None


async def _faults(site: MortalSite, waiting: Sequence[Waiting]) -> list[str]:
    """What of all that must be in order at the end isn't."""
    query = "SELECT id, state, object_name, generation, size_bytes, crc32c, sha256 FROM segments"
    known = {row["id"]: row for row in await rows(site.url, query)}
    brokered = site.way is Way.BROKERED
    bucket = site.folder / "bucket"
    made = generations(bucket) if brokered else {}
    found = [f"{one}: a row of no segment" for one in known.keys() - {segment.id for segment in waiting}]
    for segment in waiting:
        row = known.get(segment.id)
        if row is None or row["state"] != "stored":
            found.append(f"{segment.id}: not stored")
            continue
        told = (row["size_bytes"], row["crc32c"], row["sha256"], row["generation"])
        if told != (segment.size_bytes, segment.crc32c, segment.sha256, made.get(row["object_name"], 0)):
            found.append(f"{segment.id}: its row says {told}")
        if not await asyncio.to_thread(is_whole, site.objects / row["object_name"], segment):
            found.append(f"{segment.id}: its object is not what was recorded")
    names = {row["object_name"] for row in known.values()}
    kept = {file.relative_to(site.objects).as_posix() for file in site.objects.rglob("*") if file.is_file()}
    kept = {name for name in kept if not (brokered and name.endswith(".json"))}
    found += [f"{name}: an object of no segment" for name in sorted(kept - names)]
    asked = asked_of(bucket)
    found += [f"the bucket's protocol: {violation}" for violation in asked.violations]
    found += [f"{asked.refused} uploads of what was there already"] if asked.refused else []
    if await asyncio.to_thread(_still_waits, site.base):
        found.append("the recorder still has something to bring")
    return found + await asyncio.to_thread(orphans, site.base)


def _still_waits(base: Path) -> bool:
    with closing(Spool.open(base)) as spool:
        return bool(spool.segments.backlog().segments)


def _offers(folder: Path) -> int:
    log = folder / "control-plane.log"
    return sum("/segments/offer" in line for line in log.read_text(errors="replace").splitlines())
