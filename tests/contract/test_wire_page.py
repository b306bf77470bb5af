"""The page about the wire says what the OpenAPI document and the contract say."""

import json
import re
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from camfleet_contract.commands import CommandKind, CommandResult, CommandState
from camfleet_contract.configuration import RecorderConfig, Schedule
from camfleet_contract.events import EventReport
from camfleet_contract.gaps import GapCause, GapReport
from camfleet_contract.health import Health
from camfleet_contract.heartbeats import CameraCondition, Heartbeat
from camfleet_contract.recordings import RecordingRegistered, RecordingStatus, RecordingStatusReport
from camfleet_contract.segments import OfferBatch, RefusalCode, Verdict
from control_plane.documents import openapi_document

PAGE = (Path(__file__).parents[2] / "docs" / "wire.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## ((?:GET|POST) \S+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
EXAMPLES: dict[str, Any] = {
    "GET /health": Health,
    "GET /config": RecorderConfig,
    "GET /schedules": list[Schedule],
    "POST /heartbeat": Heartbeat,
    "POST /recordings/register": RecordingRegistered,
    "POST /recordings/status": RecordingStatusReport,
    "POST /segments/offer": OfferBatch,
    "POST /gaps": GapReport,
    "POST /events": EventReport,
    "POST /commands/{command_id}/result": CommandResult,
}


async def documented_paths() -> dict[str, Any]:
    paths: dict[str, Any] = json.loads(await openapi_document("local-client"))["paths"]
    return paths


async def test_the_page_has_every_call_and_no_other() -> None:
    paths = await documented_paths()
    assert set(SECTIONS) == {f"{method.upper()} {path}" for path, calls in paths.items() for method in calls}


async def test_every_parameter_of_a_call_is_named() -> None:
    for path, calls in (await documented_paths()).items():
        for method, call in calls.items():
            for parameter in call.get("parameters", []):
                assert re.search(rf"\b{parameter['name']}\b", PAGE, re.IGNORECASE), (method, path, parameter["name"])


@pytest.mark.parametrize("call", EXAMPLES)
def test_its_examples_can_be_read(call: str) -> None:
    example = re.search(r"```json\n(.*?)```|`(\{.*?\})`", SECTIONS[call], re.DOTALL)
    assert example
    message: TypeAdapter[Any] = TypeAdapter(EXAMPLES[call])
    shown = message.validate_json(example[1] or example[2])
    assert "Unreadable(" not in repr(shown)
    assert message.validate_json(message.dump_json(shown)) == shown


@pytest.mark.parametrize(
    ("call", "names"),
    [
        ("POST /heartbeat", CameraCondition),
        ("POST /recordings/status", RecordingStatus),
        ("POST /segments/offer", Verdict),
        ("POST /segments/offer", RefusalCode),
        ("POST /gaps", GapCause),
        ("POST /commands/{command_id}/result", CommandKind),
        ("POST /commands/{command_id}/result", CommandState),
    ],
)
def test_every_value_that_a_client_meets_is_named(call: str, names: type[StrEnum]) -> None:
    assert [name.value for name in names if f"`{name.value}`" not in SECTIONS[call]] == []
