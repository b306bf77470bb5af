"""`storage.rebuild_index`: the database is lost, and made anew from a folder of segments; what both say is compared."""

import asyncio
import hashlib
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import av
import google_crc32c
from av.video.stream import VideoStream
from cryptography.fernet import Fernet
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from uuid_utils.compat import uuid7

from bench.results import Result, at_least
from camfleet_contract.segments import SegmentOffer, Verdict
from control_plane.database import create_engine, create_sessions
from control_plane.direct import Direct
from control_plane.embedded import EmbeddedPostgres
from control_plane.events import COMMAND_LINE
from control_plane.fleet.cameras import NewCamera, create_camera
from control_plane.fleet.clients import create_client
from control_plane.fleet.sites import site_named
from control_plane.migration import migrate
from control_plane.rebuild import Finding, Rebuild, Summary
from control_plane.recordings.offer_rows import OfferRows
from control_plane.recordings.offers import Desk, decide_offers
from control_plane.recordings.registration import Registration, register
from control_plane.security.secrets import SecretBox
from control_plane.stores.folder import FolderStore
from recorder.offers import name_of, offered
from recorder.samples import PlainSample
from recorder.segments import SegmentWriter
from recorder.spool import Recording, SegmentState, Spool
from recorder.tracks import Tracks

SEGMENTS = 10_000
_CAMERAS = 10
_OF_A_RECORDING = 60
_BATCH = 500
_BEGIN = datetime(2026, 1, 31, 22, 30, tzinfo=UTC)
"""Across midnight and the end of a month."""
_PICTURES = 5
_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own in it

_ALL_OF_SEGMENTS = """
    SELECT camera_id, started_at, id, ended_at, client_id, recording_id, state, size_bytes, crc32c, sha256,
           previous_sha256, codec, packets, clock_error_seconds, object_name, generation, deleted_at, deletion_reason,
           chain_id, sequence, link_sha256
    FROM segments ORDER BY camera_id, started_at, id
"""
"""All but when it was offered and stored."""
_ALL_OF_RECORDINGS = "SELECT id, client_id, camera_id, name, started_at FROM recordings ORDER BY id"


class NotRebuiltError(Exception):
    """The new database is not what the old one was."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a database says of footage."""

    segments: list[tuple[Any, ...]]
    recordings: list[tuple[Any, ...]]


async def rebuild_index(folder: Path) -> list[Result]:
    """Segments a second, beside reading the same files and taking both checksums."""
    footage = folder / "footage"
    async with _database(folder / "old") as sessions:
        with tempfile.TemporaryDirectory(dir=_fastest(folder)) as recorder:
            await store_footage(sessions, Path(recorder), footage, SEGMENTS)
        before = await held(sessions)
    async with _database(folder / "new") as sessions:
        began = time.perf_counter()
        summary, findings = await rebuilt(sessions, footage)
        took = time.perf_counter() - began
        if findings or summary.segments != SEGMENTS or await held(sessions) != before:
            raise NotRebuiltError(f"{summary.as_counts()}, {findings[:3]}")
        began = time.perf_counter()
        again, _ = await rebuilt(sessions, footage)
        compared = time.perf_counter() - began
        if again.agreed != SEGMENTS:
            raise NotRebuiltError(str(again.as_counts()))
    began = time.perf_counter()
    await asyncio.to_thread(_read, footage)
    read = time.perf_counter() - began
    return [
        at_least("storage.rebuild_index", SEGMENTS / took, "segments/s", SEGMENTS / read),
        at_least("storage.rebuild_index.compared", SEGMENTS / compared, "segments/s", SEGMENTS / read),
    ]


async def store_footage(sessions: async_sessionmaker[AsyncSession], spool: Path, footage: Path, count: int) -> None:
    """So many segments, written as the recorder writes them, are put into a folder, offered and stored."""
    async with sessions.begin() as session:
        site = await site_named(session, "Depot", actor=COMMAND_LINE)
        secrets = SecretBox(Fernet.generate_key().decode())
        cameras = [
            await create_camera(
                session,
                secrets,
                NewCamera.of({"name": f"Camera {n}", "site_id": site.id, "ip_address": "192.0.2.1"}),
                actor=COMMAND_LINE,
            )
            for n in range(_CAMERAS)
        ]
        ids = [camera.id for camera in cameras]
        client, _ = await create_client(session, "Warehouse", site.id, ids, actor=COMMAND_LINE)
    recordings, offers = await asyncio.to_thread(_recorded, spool, footage, client.id, ids, count)
    async with sessions.begin() as session:
        for one in recordings:
            asked = Registration(one.camera_id, one.name, recording_id=one.id, started_at=one.started_at)
            await register(session, client.id, asked, one.started_at)
    store = FolderStore(footage)
    direct = Direct(sessions.kw["bind"].url, 60)
    desk = Desk(OfferRows(direct, secrets), store, secrets)
    for at in range(0, len(offers), _BATCH):
        verdicts = await decide_offers(desk, client.id, offers[at : at + _BATCH], datetime.now(UTC))
        if any(verdict.verdict is not Verdict.STORED for verdict in verdicts):
            raise NotRebuiltError(str(verdicts[0]))
    await direct.close()
    await store.close()


async def rebuilt(sessions: async_sessionmaker[AsyncSession], footage: Path) -> tuple[Summary, Sequence[Finding]]:
    """One rebuild from that folder."""
    findings: list[Finding] = []
    summary, store = Summary(findings.append), FolderStore(footage)
    await Rebuild(sessions, store, summary, clock=lambda: datetime.now(UTC)).run()
    await store.close()
    return summary, findings


async def held(sessions: async_sessionmaker[AsyncSession]) -> Held:
    """All of it that an object can tell."""
    async with sessions() as session:
        segments = [tuple(row) for row in await session.execute(text(_ALL_OF_SEGMENTS))]
        recordings = [tuple(row) for row in await session.execute(text(_ALL_OF_RECORDINGS))]
    return Held(segments, recordings)


@asynccontextmanager
async def _database(folder: Path) -> AsyncIterator[async_sessionmaker[AsyncSession]]:
    postgres = EmbeddedPostgres(folder)
    await postgres.start()
    try:
        await migrate(postgres.url)
        engine = create_engine(postgres.url, pool_size=3, statement_timeout_seconds=60)
        yield create_sessions(engine)
        await engine.dispose()
    finally:
        await postgres.stop()


def _fastest(otherwise: Path) -> Path:
    """Memory where there is some to be had: what is measured comes later."""
    return _MEMORY if _MEMORY.is_dir() else otherwise


def _recorded(
    base: Path, footage: Path, client_id: UUID, cameras: Sequence[UUID], count: int
) -> tuple[list[Recording], list[SegmentOffer]]:
    """Each camera's segments in turn, a minute after another."""
    footage.mkdir()
    spool = Spool.open(base)
    spool.know_client(client_id)
    recordings: dict[UUID, Recording] = {}
    clip = _clip(base / "clip.mp4")
    with av.open(str(clip)) as source:
        tracks = Tracks(source.streams.video[0], None, is_plain=True)
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for number in range(count):
            camera_id, of_camera = cameras[number % len(cameras)], number // len(cameras)
            start = _BEGIN + timedelta(minutes=of_camera, microseconds=number)
            if of_camera % _OF_A_RECORDING == 0:
                recordings[camera_id] = Recording(uuid7(), camera_id, None, f"Hour {number}", start)
                spool.recordings.begin(recordings[camera_id])
            writer = SegmentWriter(spool, recordings[camera_id].id, camera_id, start, 0.0, tracks)
            for packet, sample in zip(packets, _samples(packets, number), strict=True):
                writer.write_video(sample, float((packet.dts or 0) * packet.time_base))
            clock_error = timedelta(milliseconds=number % 7) if number % 7 else None
            writer.seal(start, start + timedelta(minutes=1), clock_error)
    offers = []
    for segment in spool.segments.in_state(SegmentState.SEALED):
        file = footage / name_of(segment)
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(spool.segments.file(segment), file)
        offer = offered(segment, spool.recorder_id)
        offers.append(offer.model_copy(update={"object_name": name_of(segment), "generation": 0}))
    known = [spool.recordings.get(recording_id) for recording_id in {offer.recording_id for offer in offers}]
    spool.close()
    return [recording for recording in known if recording is not None], offers


def _samples(packets: "Sequence[av.Packet[Any]]", number: int) -> Iterator[PlainSample]:
    """The pictures; each segment's are its own by the bytes of a unit that decoders skip (H.264, 7.3.2.4)."""
    mark = hashlib.sha256(str(number).encode()).digest()
    for packet in packets:
        skipped = bytes([12]) + mark.replace(b"\0", b"\1")
        content = bytes(packet) + len(skipped).to_bytes(4, "big") + skipped
        sample = PlainSample(
            [content],
            len(content),
            packet.stream_index,
            packet.time_base,
            packet.pts or 0,
            packet.duration or 0,
            is_keyframe=packet.is_keyframe,
        )
        sample.dts = packet.dts
        yield sample


def _clip(path: Path) -> Path:
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=25)
        assert isinstance(video, VideoStream)  # noqa: S101 - for mypy
        video.width, video.height, video.pix_fmt = 320, 180, "yuv420p"
        video.codec_context.options = {"preset": "ultrafast", "tune": "zerolatency"}
        for number in range(_PICTURES):
            frame = av.VideoFrame(320, 180, "yuv420p")
            for plane in frame.planes:
                plane.update(bytes([40 * number]) * plane.buffer_size)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
    return path


def _read(footage: Path) -> None:
    for file in footage.rglob("*.mp4"):
        content = file.read_bytes()
        google_crc32c.value(content)
        hashlib.sha256(content).hexdigest()
