"""The connection test as an operator runs it: a tick for what works, what to do for what does not."""

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from pydantic import SecretStr

from camera_simulator import CameraSimulator, CameraSpec, VideoCodec
from recorder.tokens import TokenFile, Tokens
from recorder.vault import Vault
from tests.ports import free_port
from tests.recorder.control_plane import TOKEN, FakeControlPlane
from tests.recorder.process import PASSWORD, command, configuration, environment


async def test_check_is_content_where_all_is_well(
    tmp_path: Path, fake: FakeControlPlane, backend: str, camera_url: str
) -> None:
    fake.document = configuration(camera_url)
    code, out, errors = await command(tmp_path, environment(tmp_path, backend, TOKEN, free_port()), "check")
    assert (code, errors) == (0, "")
    assert "✓ camera Yard: h264 640x360, aac sound, a keyframe after" in out
    assert ", read by our own client" in out
    assert "✗" not in out
    assert all(line.startswith("✓") for line in out.splitlines()), "findings only, no log"


@pytest.mark.parametrize(
    ("spec", "changes", "told"),
    [
        (CameraSpec(name="yard"), {"RTSP_CLIENT": "libav"}, "h264 640x360, a keyframe after"),
        (CameraSpec(name="yard"), {"RTSP_TRANSPORT": "udp"}, "h264 640x360, a keyframe after"),
        (CameraSpec(name="yard", codec=VideoCodec.MJPEG), {}, "mjpeg 640x360, a keyframe after"),
    ],
    ids=["by setting", "UDP", "MJPEG"],
)
async def test_check_reads_a_camera_by_the_client_that_the_recorder_would_use(
    tmp_path: Path, fake: FakeControlPlane, backend: str, spec: CameraSpec, changes: dict[str, str], told: str
) -> None:
    async with CameraSimulator([spec], port=0) as simulator:
        fake.document = configuration(simulator.url("yard"))
        variables = environment(tmp_path, backend, TOKEN, free_port()) | changes
        code, out, _ = await command(tmp_path, variables, "check")
    assert code == 0
    (line,) = [line for line in out.splitlines() if "camera Yard" in line]
    assert told in line
    reason = "" if changes else ": The camera sends another video than H.264 or H.265"
    assert f"read by libav{reason}" in line


async def test_check_knows_a_recorder_that_runs_already_however_its_answer_is_cut(
    tmp_path: Path, fake: FakeControlPlane, backend: str
) -> None:
    fake.document = configuration("rtsp://127.0.0.1:9/yard", is_due=False)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"status":"healthy","service":"camfleet recorder"}'
        for part in (b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body), body):
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.1)  # so that the parts arrive one by one
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        variables = environment(tmp_path, backend, TOKEN, server.sockets[0].getsockname()[1])
        _, out, _ = await command(tmp_path, variables, "check", "--no-cameras")
    assert "✓ status pages: a recorder runs there already" in out


async def test_check_calls_with_the_token_that_the_recorder_was_given(
    tmp_path: Path, fake: FakeControlPlane, backend: str
) -> None:
    fake.document, fake.token = configuration("rtsp://127.0.0.1:9/yard", is_due=False), "cfr_given"
    base, own = tmp_path / "base", SecretStr(TOKEN)
    base.mkdir()
    Tokens(own, TokenFile(base, Vault(own), own)).keep(SecretStr("cfr_given"), uuid4())
    variables = environment(tmp_path, backend, TOKEN, free_port())
    _, out, _ = await command(tmp_path, variables, "check", "--no-cameras")
    assert "✓ token and configuration: accepted" in out


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"CLIENT_TOKEN": "wrong"}, "✗ token and configuration: the token is refused: renew it"),
        ({"BACKEND_API_URL": "http://127.0.0.1:9"}, "✗ control plane: no answer"),
        ({"STORAGE_URL": "file:///does/not/exist"}, "✗ storage: the storage folder /does/not/exist does not exist"),
        ({"MIN_FREE_GIB": "9999999"}, "✗ data folder:"),
        ({"RECORDING_BASE_DIR": "/proc/nowhere"}, "✗ data folder: /proc/nowhere"),
    ],
)
async def test_check_says_what_to_do(
    tmp_path: Path, fake: FakeControlPlane, backend: str, changes: dict[str, str], told: str
) -> None:
    variables = environment(tmp_path, backend, TOKEN, free_port()) | changes
    code, out, _ = await command(tmp_path, variables, "check")
    assert code == 1
    assert told in out


async def test_check_names_a_camera_with_a_wrong_password(
    tmp_path: Path, fake: FakeControlPlane, backend: str, camera_url: str
) -> None:
    fake.document = configuration(camera_url.replace(PASSWORD, "wr0ng-pass"))
    code, out, errors = await command(tmp_path, environment(tmp_path, backend, TOKEN, free_port()), "check")
    assert code == 1
    assert "✗ camera Yard: The camera refused user or password" in out
    assert "Correct them before the camera locks the account." in out
    assert "wr0ng-pass" not in out + errors
