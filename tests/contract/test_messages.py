"""What holds for every message of the wire."""

import importlib
import json
import pkgutil
from typing import Any
from uuid import uuid4

import pytest
from pydantic import TypeAdapter, ValidationError

import camfleet_contract
from camfleet_contract.cameras import Camera
from camfleet_contract.chains import ChainHead
from camfleet_contract.commands import (
    CameraTested,
    Command,
    CommandReceived,
    CommandResult,
    Outcome,
    Recorded,
    Snapshot,
)
from camfleet_contract.configuration import ConfiguredCamera, RecorderConfig, Schedule, Storage
from camfleet_contract.descriptions import SegmentDescription
from camfleet_contract.events import Event, EventReport, EventsAnswer, EventVerdict
from camfleet_contract.gaps import Gap, GapReport, GapsAnswer, GapVerdict
from camfleet_contract.health import Health
from camfleet_contract.heartbeats import (
    Backlog,
    CameraState,
    Disk,
    FetchProgress,
    FootageAtRisk,
    Heartbeat,
    HeartbeatReceived,
    Problem,
    Uplink,
)
from camfleet_contract.messages import ErrorAnswer, Interval, LenientMessage, Message
from camfleet_contract.recordings import (
    RecordingRegistered,
    RecordingRegistration,
    RecordingStatusAccepted,
    RecordingStatusReport,
)
from camfleet_contract.schedules import ScheduleRule, Window
from camfleet_contract.segments import OfferBatch, OffersAnswer, OfferVerdict, SegmentOffer, UploadSession
from camfleet_contract.uploading import Fetch, UploadHours, Uploading

# What each message has required since its first version. This table may lose entries and never gain one: a field that
# comes later has a default, or a recorder that was upgraded while offline can't read what it cached.
REQUIRED: dict[type[Message], set[str]] = {
    ErrorAnswer: {"detail"},
    Health: set(),
    Camera: {"id", "name", "rtsp_url"},
    ConfiguredCamera: {"id", "name", "rtsp_url"},
    ScheduleRule: {"schedule_type", "start_time", "end_time"},
    Schedule: {"schedule_type", "start_time", "end_time", "id", "name", "camera"},
    Window: {"start", "end"},
    Storage: set(),
    Uploading: set(),
    UploadHours: {"start_time", "end_time"},
    Fetch: {"start", "end", "id", "camera_id", "expires_at"},
    RecorderConfig: {"revision", "client_id", "client_name"},
    Heartbeat: set(),
    HeartbeatReceived: {"client_id", "server_time"},
    CameraState: {"camera_id", "condition", "since"},
    Backlog: set(),
    Disk: {"total_bytes", "free_bytes"},
    Problem: {"code", "since"},
    Uplink: set(),
    ChainHead: {"camera_id", "chain_id", "sequence", "segment_id", "sha256", "link_sha256", "waiting_from"},
    FetchProgress: {"id"},
    FootageAtRisk: {"since", "loss_at"},
    RecordingRegistration: {"camera_id"},
    RecordingRegistered: {"recording_id"},
    RecordingStatusReport: {"recording_id", "status"},
    RecordingStatusAccepted: set(),
    SegmentOffer: {
        "start", "end", "id", "recording_id", "camera_id", "size_bytes", "crc32c", "sha256", "codec", "packets",
    },
    SegmentDescription: {"start", "end", "segment_id", "recording_id", "camera_id", "codec", "packets"},
    OfferBatch: {"segments"},
    OfferVerdict: {"id", "verdict"},
    UploadSession: {"uri", "expires_at"},
    OffersAnswer: {"segments"},
    Gap: {"start", "end", "id", "camera_id", "cause"},
    GapReport: {"gaps"},
    GapVerdict: {"id", "verdict"},
    GapsAnswer: {"gaps"},
    Event: {"id", "kind", "begin"},
    EventReport: {"events"},
    EventVerdict: {"id", "verdict"},
    EventsAnswer: {"events"},
    Command: {"id", "kind", "expires_at"},
    CommandResult: {"state"},
    CommandReceived: {"id", "state"},
    Outcome: set(),
    CameraTested: {"codec"},
    Snapshot: {"jpeg", "width", "height", "taken_at"},
    Recorded: set(),
}  # fmt: skip

MESSAGES = sorted(REQUIRED, key=lambda message: message.__name__)


def examples(message: type[Message]) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = message.model_json_schema()["examples"]
    return shown


def test_the_table_names_every_message() -> None:
    for module in pkgutil.iter_modules(camfleet_contract.__path__):
        importlib.import_module(f"camfleet_contract.{module.name}")
    known: set[type[Message]] = set()
    unseen: list[type[Message]] = [Message]
    while unseen:
        unseen += (found := unseen.pop().__subclasses__())
        known.update(found)
    ours = {message for message in known if message.__module__.startswith("camfleet_contract.")}
    assert ours - {LenientMessage, Interval} == set(MESSAGES)


@pytest.mark.parametrize("message", MESSAGES)
def test_no_field_was_required_later(message: type[Message]) -> None:
    assert {name for name, field in message.model_fields.items() if field.is_required()} == REQUIRED[message]


@pytest.mark.parametrize("message", MESSAGES)
def test_every_message_shows_an_example_of_its_own(message: type[Message]) -> None:
    inherited = [e for parent in message.__mro__[1:] if parent in REQUIRED for e in examples(parent)]
    for example in examples(message):
        assert example not in inherited
        assert set(example) <= set(message.model_fields)
        message.model_validate_json(json.dumps(example))


@pytest.mark.parametrize("message", MESSAGES)
def test_every_example_round_trips(message: type[Message]) -> None:
    for example in examples(message):
        read = message.model_validate_json(json.dumps(example))
        written = json.loads(read.model_dump_json())
        assert {name: written[name] for name in example} == example
        assert message.model_validate_json(read.model_dump_json()) == read
        assert message.model_validate(read.model_dump()) == read


@pytest.mark.parametrize("message", MESSAGES)
def test_the_required_fields_alone_round_trip(message: type[Message]) -> None:
    short = {name: value for name, value in examples(message)[0].items() if name in REQUIRED[message]}
    read = message.model_validate(short)
    assert message.model_validate_json(read.model_dump_json()) == read


@pytest.mark.parametrize("message", MESSAGES)
def test_unknown_fields_are_ignored(message: type[Message]) -> None:
    for example in examples(message):
        newer = example | {"a_field_of_the_future": {"deep": [1, None, "x"]}}
        assert message.model_validate_json(json.dumps(newer)) == message.model_validate_json(json.dumps(example))


@pytest.mark.parametrize("message", MESSAGES)
def test_messages_are_frozen(message: type[Message]) -> None:
    read = message.model_validate(examples(message)[0])
    with pytest.raises(ValidationError, match="frozen"):
        setattr(read, next(iter(message.model_fields)), None)


@pytest.mark.parametrize("message", [Heartbeat, RecordingStatusReport])
def test_nulls_of_predecessor_clients_count_as_absent(message: type[Message]) -> None:
    full = {name: value for example in examples(message) for name, value in example.items()}
    for name in message.model_fields.keys() - REQUIRED[message]:
        present = {key: value for key, value in full.items() if key != name}
        assert message.model_validate(present | {name: None}) == message.model_validate(present)
    for name in REQUIRED[message]:
        with pytest.raises(ValidationError, match="Field required"):
            message.model_validate(full | {name: None})


TEXTS = [
    (Camera, "name"), (Camera, "ip_address"), (Camera, "rtsp_url"), (Camera, "rtsp_url_sub"), (Camera, "location"),
    (Schedule, "name"), (RecorderConfig, "client_name"), (RecordingRegistration, "recording_name"),
    (RecordingStatusReport, "error_message"), (RecordingStatusReport, "error_code"),
    (RecordingStatusReport, "gcp_path"),
    (Heartbeat, "last_upload"), (Heartbeat, "version"), (Heartbeat, "config_revision"), (CameraState, "reason"),
    (Problem, "code"), (Problem, "text"),
    (SegmentOffer, "codec"), (SegmentOffer, "object_name"), (SegmentOffer, "crc32c"), (SegmentOffer, "sha256"),
    (SegmentOffer, "previous_sha256"), (SegmentOffer, "link_sha256"), (ChainHead, "sha256"), (ChainHead, "link_sha256"),
    (SegmentDescription, "codec"), (SegmentDescription, "recording_name"), (SegmentDescription, "previous_sha256"),
    (SegmentDescription, "previous_link_sha256"), (Gap, "detail"),
    (Command, "token"), (CommandResult, "detail"), (CameraTested, "codec"), (CameraTested, "audio"),
    (CameraTested, "transport"),
]  # fmt: skip


@pytest.mark.parametrize("text", ["a\0b", "half \ud83d", "x" * 10_001], ids=["NUL", "surrogate", "too long"])
@pytest.mark.parametrize(("message", "field"), TEXTS)
def test_texts_that_no_database_takes_are_refused(message: type[Message], field: str, text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        message.model_validate(examples(message)[0] | {field: text})
    assert {error["loc"][0] for error in refused.value.errors()} == {field}


@pytest.mark.parametrize("count", [2**63, 10**30, -1, "9" * 5000, 1.5, float("nan"), float("inf")])
@pytest.mark.parametrize(
    ("message", "field"),
    [
        (Heartbeat, "active_recordings"), (Heartbeat, "sequence"), (Backlog, "segments"), (Backlog, "bytes"),
        (Disk, "total_bytes"), (RecordingStatusReport, "frames_recorded"), (RecordingStatusReport, "file_size"),
        (SegmentOffer, "size_bytes"), (SegmentOffer, "packets"), (SegmentOffer, "generation"),
        (SegmentDescription, "packets"),
    ],
)  # fmt: skip
def test_counts_that_no_database_takes_are_refused(message: type[Message], field: str, count: object) -> None:
    with pytest.raises(ValidationError) as refused:
        message.model_validate(examples(message)[0] | {field: count})
    assert {error["loc"][0] for error in refused.value.errors()} == {field}


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 10**400])
@pytest.mark.parametrize(
    ("message", "field"),
    [
        (Heartbeat, "available_space_gb"),
        (Heartbeat, "upload_bytes_per_second"),
        (RecordingStatusReport, "progress"),
        (SegmentOffer, "clock_error_seconds"),
        (SegmentDescription, "clock_error_seconds"),
    ],
)
def test_numbers_that_are_none_are_refused(message: type[Message], field: str, number: float) -> None:
    with pytest.raises(ValidationError):
        message.model_validate(examples(message)[0] | {field: number})


@pytest.mark.parametrize(
    ("info", "part"),
    [
        ({"os": {"name": ["a\0b"]}}, "NUL"),
        ({"a\0b": 1}, "NUL"),
        ({"os": "\udc00"}, "surrogate"),
        ({"load": [float("nan")]}, "NaN"),
        ({"load": {"1m": float("inf")}}, "NaN"),
    ],
)
def test_free_form_json_that_no_database_takes_is_refused(info: dict[str, Any], part: str) -> None:
    with pytest.raises(ValidationError, match=part):
        Heartbeat.model_validate({"system_info": info})


def test_free_form_json_has_a_limited_depth() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"deeper": deep}
    with pytest.raises(ValidationError, match="deeper than 32"):
        Heartbeat.model_validate({"system_info": deep})
    ordinary = {"cpu": 3.5, "disks": [{"name": "sda", "free": None}], "ok": True, "huge": 10**30}
    assert Heartbeat.model_validate({"system_info": ordinary}).system_info == ordinary


@pytest.mark.parametrize(
    "moment",
    [
        "2026-03-01T20:00:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        10**30,
        "soon",
        "2026-02-30T00:00:00Z",
    ],
)
def test_instants_without_a_zone_or_out_of_range_are_refused(moment: object) -> None:
    with pytest.raises(ValidationError):
        Window.model_validate({"start": moment, "end": "2026-03-07T05:00:00Z"})


def test_an_instant_of_any_offset_becomes_utc() -> None:
    window = Window.model_validate({"start": "2026-03-06T22:00:00+01:00", "end": "2026-03-07T05:00:00Z"})
    assert window.model_dump_json() == '{"start":"2026-03-06T21:00:00Z","end":"2026-03-07T05:00:00Z"}'


def test_an_interval_ends_after_it_starts() -> None:
    with pytest.raises(ValidationError, match="after the start"):
        Window.model_validate({"start": "2026-03-06T22:00:00Z", "end": "2026-03-06T22:00:00Z"})


def test_lists_of_the_wire_have_bounds() -> None:
    offer, gap = examples(SegmentOffer)[0], examples(Gap)[0]
    assert len(OfferBatch.model_validate({"segments": [offer] * 500}).segments) == 500
    with pytest.raises(ValidationError, match="at most 500"):
        OfferBatch.model_validate({"segments": [offer] * 501})
    with pytest.raises(ValidationError, match="at most 500"):
        GapReport.model_validate({"gaps": [gap] * 501})


def test_an_error_never_quotes_what_was_sent() -> None:
    with pytest.raises(ValidationError) as refused:
        Camera.model_validate(examples(Camera)[0] | {"rtsp_url": "rtsp://admin:secret@camera/\0"})
    assert "secret" not in str(refused.value)
    assert "secret" not in repr(
        Camera.model_validate(examples(Camera)[0] | {"rtsp_url": "rtsp://admin:secret@camera/"})
    )


def test_openapi_can_show_lists_of_every_message() -> None:
    for message in MESSAGES:
        for mode in ("validation", "serialization"):
            TypeAdapter(list[message]).json_schema(mode=mode)  # type: ignore[valid-type]  # a type from a list


def test_an_empty_path_in_the_bucket_is_no_path() -> None:
    report = RecordingStatusReport.model_validate({"recording_id": str(uuid4()), "status": "completed", "gcp_path": ""})
    assert report.gcp_path is None
