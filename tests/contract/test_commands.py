"""Commands on the wire: old and new understand each other, and no secret shows."""

from typing import Any

import pytest
from pydantic import ValidationError

from camfleet_contract.commands import LARGEST_JPEG_BYTES, Command, CommandKind, CommandResult, CommandState, Snapshot
from camfleet_contract.configuration import RecorderConfig

DOCUMENT = {"revision": "1", "client_id": "7d2f5b1e-93c4-4c1a-b5e8-6a0f4d3c2b19", "client_name": "Gatehouse"}
CAMERA = "0b1d6a52-77a5-4f0e-9d0a-3a1c8f5d2e61"
ID = "0198f0e1-7c00-7f12-9a30-2b6d4e8c0f51"
SECRET = "cfr_a-token-that-nobody-may-read"


def command(kind: str, **more: Any) -> dict[str, Any]:
    return {"id": ID, "kind": kind, "expires_at": "2026-03-01T20:16:30Z"} | more


@pytest.mark.parametrize("told", [{}, {"commands": None}, {"commands": []}])
def test_an_older_control_plane_asks_for_nothing(told: dict[str, Any]) -> None:
    assert RecorderConfig.model_validate(DOCUMENT | told).commands == []


def test_a_command_of_a_newer_control_plane_is_set_aside_and_no_other() -> None:
    strange = [
        command("make_coffee", token=SECRET),
        command("rotate_token", token=SECRET, expires_at="soon"),
        command("rotate_token", token=SECRET * 100),
        SECRET,
        None,
    ]
    known = command("test_camera", camera_id=CAMERA, priority="high")
    config = RecorderConfig.model_validate(DOCUMENT | {"commands": [*strange, known]})
    assert [one.kind for one in config.commands] == [CommandKind.TEST_CAMERA]
    assert len(config.unreadable) == len(strange)
    assert SECRET not in str(config.unreadable)


@pytest.mark.parametrize(
    ("kind", "missing"),
    [
        ("start_recording", {"camera_id": CAMERA}),
        ("start_recording", {"minutes": 5}),
        ("start_recording", {"camera_id": CAMERA, "minutes": 0}),
        ("stop_recording", {}),
        ("test_camera", {}),
        ("snapshot", {}),
        ("rotate_token", {}),
        ("rotate_token", {"token": ""}),
    ],
)
def test_a_command_without_what_it_needs_is_none(kind: str, missing: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Command.model_validate(command(kind, **missing))


def test_neither_tokens_nor_pictures_show_when_a_message_is_written_down() -> None:
    brought = Command.model_validate(command("rotate_token", token=SECRET))
    assert SECRET not in repr(brought)
    picture = Snapshot.of(b"\xff\xd8\xff somebody \xff\xd9", width=1, height=1, taken_at=brought.expires_at)
    assert picture.content() == b"\xff\xd8\xff somebody \xff\xd9"
    assert picture.jpeg not in repr(picture)


@pytest.mark.parametrize("size", [LARGEST_JPEG_BYTES, LARGEST_JPEG_BYTES + 1])
def test_a_picture_is_at_most_a_mebibyte(size: int) -> None:
    content = b"\xff\xd8\xff" + bytes(size - 5) + b"\xff\xd9"
    now = Command.model_validate(command("restart")).expires_at
    if size <= LARGEST_JPEG_BYTES:
        assert Snapshot.of(content, width=1, height=1, taken_at=now).content() == content
        return
    with pytest.raises(ValidationError):
        Snapshot.of(content, width=1, height=1, taken_at=now)


@pytest.mark.parametrize("state", [CommandState.ASKED, CommandState.EXPIRED, "paused", None])
def test_a_recorder_tells_no_state_but_its_own(state: object) -> None:
    with pytest.raises(ValidationError):
        CommandResult.model_validate({"state": state})
