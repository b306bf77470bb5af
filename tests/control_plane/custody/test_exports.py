"""Exports: whatever is done to the files or the manifest, the script that lies beside them names the segment."""

import ast
import asyncio
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url, select

from control_plane.custody import exports, offline_verifier
from control_plane.custody.exports import prepare_export, zipped
from control_plane.errors import Invalid
from control_plane.events import COMMAND_LINE
from control_plane.main import create_app
from control_plane.models import Event, Role
from control_plane.security.api_keys import create_api_key
from control_plane.stores.folder import FolderStore
from tests.control_plane.commands import run_command
from tests.control_plane.conftest import SECRET_KEY
from tests.control_plane.custody.chained import MINUTE, START, Scene, content

END = START + timedelta(hours=1)
SCRIPT = Path(offline_verifier.__file__).read_bytes()


async def exported(yard: Scene, folder: Path) -> Path:
    """As an operator has it after unpacking."""
    export = await prepare_export(yard.services, yard.camera_id, START, END, COMMAND_LINE, END)
    pieces = [piece async for piece in zipped(export, yard.services.store)]
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return folder / export.name


async def checked(folder: Path, *more: str) -> tuple[int, str]:
    """What `verify.py` ends with and says."""
    command = [sys.executable, "-I", "verify.py", *more]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


async def audited(yard: Scene) -> Event:
    async with yard.services.sessions() as session:
        return (await session.scalars(select(Event).where(Event.kind == "camera.exported"))).one()


def file_of(yard: Scene, folder: Path, sequence: int) -> Path:
    return folder / "segments" / yard.number(sequence).object_name.rsplit("/", 1)[1]


async def test_an_export_is_whole_and_its_hash_is_in_the_audit_log(yard: Scene, tmp_path: Path) -> None:
    folder = await exported(yard, tmp_path)
    event = await audited(yard)
    assert (event.detail["segments"], event.detail["chain_ends"][0]["sequence"]) == (5, 5)
    code, said = await checked(folder, "--manifest-sha256", event.detail["manifest_sha256"])
    assert (code, said.splitlines()[-1]) == (0, "5 segments, 5 files, 0 problems: as the manifest says")
    assert event.detail["manifest_sha256"] in said
    assert f"#5 {yard.number(5).id}, link {yard.number(5).link_sha256}" in said
    manifest = json.loads((folder / "manifest.json").read_bytes())
    assert manifest["camera"]["name"] == "Yard"
    assert manifest["segments"][2]["clock_error_seconds"] == 0.25


def flip(yard: Scene, folder: Path) -> None:
    data = bytearray(file_of(yard, folder, 3).read_bytes())
    data[100] ^= 1
    file_of(yard, folder, 3).write_bytes(data)


def replace_by_equal_size(yard: Scene, folder: Path) -> None:
    file_of(yard, folder, 3).write_bytes(content(3)[::-1])


def remove(yard: Scene, folder: Path) -> None:
    file_of(yard, folder, 3).unlink()


def swap(yard: Scene, folder: Path) -> None:
    file_of(yard, folder, 3).write_bytes(content(4))
    file_of(yard, folder, 4).write_bytes(content(3))


def edited(change: Callable[[list[dict[str, Any]]], None]) -> Callable[[Scene, Path], None]:
    """Something done to the manifest's segments."""

    def edit(yard: Scene, folder: Path) -> None:
        del yard
        manifest = json.loads((folder / "manifest.json").read_bytes())
        change(manifest["segments"])
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return edit


def remove_with_entry(yard: Scene, folder: Path) -> None:
    remove(yard, folder)
    edited(lambda segments: segments.remove(segments[2]))(yard, folder)


@pytest.mark.parametrize(
    ("tamper", "named", "says"),
    [
        (flip, 3, "was altered: its SHA-256 is"),
        (replace_by_equal_size, 3, "was altered: its SHA-256 is"),
        (remove, 3, "is missing"),
        (swap, 3, "has the bytes of #4"),
        (edited(lambda segments: segments[2].update(clock_error_seconds=0.0)), 3, "its link hash is another"),
        (
            edited(lambda segments: segments[2].update(start="2026-03-01T20:03:01.000000+00:00")),
            3,
            "link hash is another",
        ),
        (edited(lambda segments: segments[3].update(previous_sha256="ab" * 32)), 4, "previous_sha256 is another"),
        (edited(lambda segments: segments[4].update(link_sha256="ab" * 32)), 5, "its recorder told it, has another"),
        (remove_with_entry, 2, "#3 missing between"),
    ],
    ids=["flip", "equal size", "removed", "swapped", "clock", "start", "previous", "end", "removed with its entry"],
)
async def test_tampering_shows_and_names_the_segment(
    yard: Scene, tmp_path: Path, tamper: Callable[[Scene, Path], None], named: int, says: str
) -> None:
    folder = await exported(yard, tmp_path)
    await asyncio.to_thread(tamper, yard, folder)
    code, said = await checked(folder)
    problems = [line for line in said.splitlines() if line.startswith("PROBLEM")]
    assert code == 1
    assert any(says in line and str(yard.number(named).id) in line for line in problems), said


async def test_an_inserted_file_shows(yard: Scene, tmp_path: Path) -> None:
    folder = await exported(yard, tmp_path)
    (folder / "segments" / "20260301T200130.000Z_staged.mp4").write_bytes(b"staged")
    code, said = await checked(folder)
    assert code == 1
    assert "segments/20260301T200130.000Z_staged.mp4 was put in" in said


async def test_a_manifest_made_anew_is_not_the_one_in_the_audit_log(yard: Scene, tmp_path: Path) -> None:
    folder = await exported(yard, tmp_path)
    manifest = (folder / "manifest.json").read_text()
    (folder / "manifest.json").write_text(manifest.replace('"Yard"', '"Gate"'))
    assert (await checked(folder))[0] == 0, "alone it can't know"
    code, said = await checked(folder, "--manifest-sha256", (await audited(yard)).detail["manifest_sha256"])
    assert code == 1
    assert "the manifest is not the one that was exported" in said


async def test_what_was_deleted_by_retention_or_waits_is_told_without_alarm(yard: Scene, tmp_path: Path) -> None:
    yard.remove(yard.number(2))
    await yard.change(yard.number(2), state="deleted", deletion_reason="retention: 30 days", deleted_at=START)
    await yard.change(yard.number(5), state="offered")
    code, said = await checked(await exported(yard, tmp_path))
    assert code == 0, said
    assert "retention: 30 days" in said
    assert "still at the recorder" in said


async def test_what_lies_in_another_store_is_told_as_such(yard: Scene, tmp_path: Path) -> None:
    await yard.change(yard.number(2), store_url="gs://old")
    code, said = await checked(await exported(yard, tmp_path))
    assert code == 0, said
    assert "in another store, gs://old" in said
    assert (await audited(yard)).detail["segments"] == 4


async def test_an_object_that_is_gone_is_left_out_and_told(yard: Scene, tmp_path: Path) -> None:
    yard.remove(yard.number(2))
    code, said = await checked(await exported(yard, tmp_path))
    assert code == 1
    assert f"#2 {yard.number(2).id}" in said


async def test_an_export_that_is_broken_off_lets_go_of_the_store_at_once(yard: Scene) -> None:
    export = await prepare_export(yard.services, yard.camera_id, START, END, COMMAND_LINE, END)
    store = _Watched(Path("/nowhere"))
    pieces = zipped(export, store)
    for _ in range(2):
        await anext(pieces)
    assert store.reading == 1
    await pieces.aclose()
    assert store.reading == 0
    await store.close()


class _Watched(FolderStore):
    """Counts the objects that are being read."""

    reading = 0

    async def read(self, object_name: str) -> AsyncGenerator[bytes, None]:
        del object_name
        self.reading += 1
        try:
            while True:
                yield b"piece"
        finally:
            self.reading -= 1


async def test_a_folder_that_is_no_export_says_so(tmp_path: Path) -> None:
    (tmp_path / "verify.py").write_bytes(SCRIPT)
    (tmp_path / "manifest.json").write_text("[]")
    code, said = await checked(tmp_path)
    assert code == 2
    assert "can't be checked" in said


async def clock_was_wrong(yard: Scene) -> None:
    """#6 was filmed between #5 and #7 by another clock than theirs."""
    await yard.sealed(start=START + timedelta(days=10))
    await yard.sealed()
    await yard.told()


async def test_what_another_clock_put_elsewhere_keeps_no_interval_from_being_exported(
    yard: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await clock_was_wrong(yard)
    monkeypatch.setattr(exports, "MOST_SEGMENTS", 6)
    folder = await exported(yard, tmp_path)
    code, said = await checked(folder)
    assert (code, said.splitlines()[-1]) == (0, "6 segments, 6 files, 0 problems: as the manifest says")
    assert "#6 was filmed outside of the interval" in said
    edited(lambda segments: segments[5].update(packets=7))(yard, folder)
    code, said = await checked(folder)
    assert code == 1
    assert f"#7 {yard.number(7).id}" in said, "by the link of #6"


async def test_what_is_missing_beside_what_lies_elsewhere_shows(yard: Scene, tmp_path: Path) -> None:
    await clock_was_wrong(yard)
    await yard.erase(yard.number(5))
    code, said = await checked(await exported(yard, tmp_path))
    assert code == 1
    assert "#5 missing between" in said
    assert "#6 was filmed outside" in said


async def test_nothing_and_too_much_are_refused(yard: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    services, camera = yard.services, yard.camera_id
    with pytest.raises(Invalid, match="no segments"):
        await prepare_export(services, camera, END, END + MINUTE, COMMAND_LINE, END)
    with pytest.raises(Invalid, match="must be after"):
        await prepare_export(services, camera, END, START, COMMAND_LINE, END)
    monkeypatch.setattr(exports, "MOST_SEGMENTS", 4)
    with pytest.raises(Invalid, match="in parts"):
        await prepare_export(services, camera, START, END, COMMAND_LINE, END)


def test_the_script_needs_python_3_8_and_nothing_else() -> None:
    tree = ast.parse(SCRIPT.decode(), feature_version=(3, 8))
    used = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    used |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert used == {"__future__", "argparse", "hashlib", "json", "pathlib", "sys", "typing"}


async def test_operators_export_over_the_api_and_viewers_do_not(yard: Scene, tmp_path: Path) -> None:
    keys = {}
    for role in (Role.VIEWER, Role.OPERATOR):
        async with yard.services.sessions.begin() as session:
            keys[role] = (await create_api_key(session, role, role, None, actor=COMMAND_LINE)).text
    transport = httpx.ASGITransport(create_app(yard.services))
    url = f"/v0/api/cctv/cameras/{yard.camera_id}/export/"
    period = {"from": START.isoformat(), "until": END.isoformat()}
    async with httpx.AsyncClient(transport=transport, base_url="http://control-plane.test") as http:
        refused = await http.post(url, params=period, headers={"Authorization": f"Bearer {keys[Role.VIEWER]}"})
        answer = await http.post(url, params=period, headers={"Authorization": f"Bearer {keys[Role.OPERATOR]}"})
    assert refused.status_code == 403
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    event = await audited(yard)
    assert event.actor == "api_key:operator"
    assert answer.headers["x-manifest-sha256"] == event.detail["manifest_sha256"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        name = archive.namelist()[0].split("/")[0]
        archive.extractall(tmp_path)
    assert (await checked(tmp_path / name))[0] == 0


async def test_a_folder_is_exported_by_command(yard: Scene, tmp_path: Path) -> None:
    services = yard.services
    settings = {
        "DATABASE_URL": make_url(services.engine.url).render_as_string(hide_password=False),
        "SECRET_KEYS": SECRET_KEY,
        "DATA_DIR": str(services.settings.data_dir),
        "STORAGE_URL": services.store.url,
    } | ({"STORAGE_EMULATOR_HOST": yard.gcs.root} if yard.gcs else {})
    folder = tmp_path / "evidence"
    command = ["export", "--camera", str(yard.camera_id), "--from", "2026-03-01", "--until", "2026-03-02"]
    done = await run_command(*command, "--to", str(folder), settings=settings)
    assert (done.code, done.errors) == (0, "")
    assert (await audited(yard)).detail["manifest_sha256"] in done.output
    assert (await checked(folder))[0] == 0
    again = await run_command(*command, "--to", str(folder), settings=settings)
    assert again.code == 1
    assert "exists" in again.errors
