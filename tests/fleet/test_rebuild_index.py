"""What a recorder wrote is all that it takes to have the control plane's rows again."""

import json
import shutil
from pathlib import Path

import av
from cryptography.fernet import Fernet
from sqlalchemy import text

from bench.rebuilding import held, store_footage
from control_plane.database import create_engine, create_sessions
from tests.control_plane.commands import run_command
from tests.postgres import Postgres

SEGMENTS = 300


async def test_a_lost_database_is_rebuilt_from_a_folder_as_it_was(
    postgres: Postgres, database: str, tmp_path: Path
) -> None:
    footage = tmp_path / "footage"
    engine = create_engine(database, pool_size=3)
    await store_footage(create_sessions(engine), tmp_path / "recorder", footage, SEGMENTS)
    before = await held(create_sessions(engine))
    await engine.dispose()
    assert len(before.segments) == SEGMENTS
    some_file = footage / str(before.segments[0][14])
    with av.open(str(some_file)) as file:
        assert len([packet for packet in file.demux(video=0) if packet.size]) == 5, "they are real"
    shutil.rmtree(tmp_path / "recorder")  # nothing but the folder is left
    async with postgres.database() as url:
        settings = {"DATABASE_URL": url, "SECRET_KEYS": Fernet.generate_key().decode()}
        asked = ("rebuild-index", "--from", footage.as_uri())
        done = await run_command(*asked, "--json", settings=settings)
        assert (done.code, done.errors) == (0, "")
        counts = json.loads(done.output)
        assert (counts["segments_restored"], counts["recordings_restored"]) == (SEGMENTS, len(before.recordings))
        assert (counts["cameras_restored"], counts["clients_restored"]) == (10, 1)
        engine = create_engine(url, pool_size=3)
        sessions = create_sessions(engine)
        assert await held(sessions) == before
        async with sessions() as session:
            assert await session.scalar(text("SELECT count(*) FROM segments_default")) == 0
        await engine.dispose()
        some_file.unlink()
        differs = await run_command(*asked, settings=settings)
        assert differs.code == 3
        assert f"missing_object: {before.segments[0][14]}" in differs.output
        assert f"agreed: {SEGMENTS - 1}\n" in differs.output
        nowhere = await run_command("rebuild-index", "--from", (tmp_path / "away").as_uri(), settings=settings)
        assert nowhere.code == 1
        assert "mount the disk" in nowhere.errors
