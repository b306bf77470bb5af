"""What the clients in the field read and send, to the letter."""

import json
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from camfleet_contract.batches import Unreadable
from camfleet_contract.cameras import Camera
from camfleet_contract.configuration import ConfiguredCamera, RecorderConfig, Schedule
from camfleet_contract.gaps import Gap, GapCause, GapReport
from camfleet_contract.health import Health
from camfleet_contract.heartbeats import Heartbeat, HeartbeatReceived
from camfleet_contract.recordings import (
    RecordingRegistered,
    RecordingRegistration,
    RecordingStatus,
    RecordingStatusAccepted,
    RecordingStatusReport,
    register_parameters,
)
from camfleet_contract.schedules import ScheduleRule, ScheduleType, Weekday
from camfleet_contract.segments import OffersAnswer

ID = UUID("5f6c1c0e-54a5-4a0b-8c3e-2f1d7b9a6e42")
CAMERA = Camera(id=ID, name="Yard", ip_address="192.168.1.20", rtsp_url="rtsp://user:pass@192.168.1.20:554/s1")
SCHEDULE = Schedule(
    id=ID,
    name="Yard by night",
    schedule_type=ScheduleType.DAILY,
    start_time=time(20),
    end_time=time(23, 59, 59),
    camera=CAMERA,
)


def nulls(tree: object, path: str = "") -> set[str]:
    if isinstance(tree, dict):
        return {found for key, value in tree.items() for found in nulls(value, f"{path}.{key}".lstrip("."))}
    return {path} if tree is None else set()


def test_a_schedule_is_written_as_predecessor_clients_read_it() -> None:
    assert json.loads(SCHEDULE.model_dump_json()) == {
        "id": str(ID),
        "name": "Yard by night",
        "schedule_type": "daily",
        "start_time": "20:00:00",
        "end_time": "23:59:59",
        "start_date": None,
        "end_date": None,
        "days_of_week": [],
        "is_active": True,
        "camera": {
            "id": str(ID),
            "name": "Yard",
            "ip_address": "192.168.1.20",
            "rtsp_url": "rtsp://user:pass@192.168.1.20:554/s1",
            "rtsp_url_sub": None,
            "camera_type": "rtsp",
            "location": None,
            "record_quality": "medium",
        },
        "timezone": "UTC",
        "segment_seconds": 60,
    }


def test_only_four_fields_of_a_schedule_are_ever_null() -> None:
    assert nulls(json.loads(SCHEDULE.model_dump_json())) == {
        "start_date",
        "end_date",
        "camera.rtsp_url_sub",
        "camera.location",
    }
    for name in Schedule.model_fields.keys() - {"start_date", "end_date", "updated_at"}:
        with pytest.raises(ValidationError):
            Schedule.model_validate(SCHEDULE.model_dump() | {name: None})
    for name in Camera.model_fields.keys() - {"rtsp_url_sub", "location"}:
        with pytest.raises(ValidationError):
            Camera.model_validate(CAMERA.model_dump() | {name: None})


def test_dates_and_days_are_written_as_predecessor_clients_read_them() -> None:
    weekly = ScheduleRule(
        schedule_type=ScheduleType.WEEKLY,
        start_time=time(8, 5),
        end_time=time(0),
        start_date=date(2026, 3, 1),
        end_date=date(2028, 2, 29),
        days_of_week=[Weekday.MONDAY, Weekday.SUNDAY],
    )
    assert json.loads(weekly.model_dump_json()) == {
        "schedule_type": "weekly",
        "start_time": "08:05:00",
        "end_time": "00:00:00",
        "start_date": "2026-03-01",
        "end_date": "2028-02-29",
        "days_of_week": ["monday", "sunday"],
        "is_active": True,
    }
    assert ScheduleRule.model_validate_json(weekly.model_dump_json()) == weekly


@pytest.mark.parametrize(
    "text",
    ["20:00", "20:00:00.0", "20:00:00Z", "20:00:00+01:00", "8:00:00", "24:00:00", "23:60:00", "200000", "", 72000,
     10**30, None, "\u0662\u0660:00:00", time(20, 0, 0, 5), time(20, tzinfo=UTC)],
)  # fmt: skip
def test_times_have_one_form_and_no_other(text: object) -> None:
    rule: dict[str, Any] = {"schedule_type": "daily", "start_time": text, "end_time": "23:59:59"}
    with pytest.raises(ValidationError) as refused:
        ScheduleRule.model_validate(rule)
    assert refused.value.errors()[0]["loc"] == ("start_time",)


@pytest.mark.parametrize(
    "text",
    ["2026-3-1", "2026-02-30", "2027-02-29", "01.03.2026", "20260301", "99999-01-01", "0000-01-01", "", 0, 10**30],
)
def test_dates_have_one_form_and_no_other(text: object) -> None:
    with pytest.raises(ValidationError) as refused:
        ScheduleRule.model_validate(
            {"schedule_type": "daily", "start_time": "08:00:00", "end_time": "09:00:00", "start_date": text}
        )
    assert refused.value.errors()[0]["loc"] == ("start_date",)


@pytest.mark.parametrize("days", [["Monday"], ["mon"], [1], "monday", ["monday"] * 51, None])
def test_days_have_one_form_and_no_other(days: object) -> None:
    with pytest.raises(ValidationError):
        ScheduleRule.model_validate(
            {"schedule_type": "weekly", "start_time": "08:00:00", "end_time": "09:00:00", "days_of_week": days}
        )


def test_a_heartbeat_of_a_predecessor_may_say_anything_of_itself() -> None:
    anything: list[object] = [None, "unknown", str(ID), 5, {"a": []}]
    for client_id in anything:
        assert Heartbeat.model_validate({"client_id": client_id}).active_recordings is None
    assert Heartbeat.model_validate_json("{}") == Heartbeat()


def test_answers_are_in_the_predecessors_words() -> None:
    assert json.loads(Health().model_dump_json()) == {
        "status": "healthy",
        "service": "Local Client API",
        "version": "5.0.0",
    }
    now = datetime(2026, 3, 1, tzinfo=UTC)
    answer = json.loads(HeartbeatReceived(client_id=ID, server_time=now).model_dump_json())
    assert (answer["message"], answer["client_id"], answer["status"]) == ("Heartbeat received", str(ID), "online")
    assert json.loads(RecordingRegistered(recording_id=ID).model_dump_json()) == {
        "recording_id": str(ID),
        "message": "Recording registered successfully",
    }
    assert json.loads(RecordingStatusAccepted().model_dump_json()) == {
        "message": "Recording status updated successfully"
    }


def test_a_status_needs_only_the_recording_and_the_state() -> None:
    report = RecordingStatusReport.model_validate(
        {"recording_id": str(ID), "status": "completed", "progress": None, "gcp_path": None, "file_size": None}
    )
    assert report.status is RecordingStatus.COMPLETED
    assert report.status.is_final
    for wrong in ["done", "COMPLETED", "", 5]:
        with pytest.raises(ValidationError):
            RecordingStatusReport.model_validate({"recording_id": str(ID), "status": wrong})


def test_empty_parameters_of_a_registration_count_as_absent() -> None:
    query = {"camera_id": str(ID), "schedule_id": "", "recording_name": "", "recording_id": "", "started_at": ""}
    assert RecordingRegistration.model_validate(query) == RecordingRegistration(camera_id=ID)
    with pytest.raises(ValidationError, match="Field required"):
        RecordingRegistration.model_validate({"camera_id": ""})


def test_what_a_recorder_registers_is_what_the_control_plane_reads() -> None:
    started_at = datetime(2026, 3, 1, 19, 0, 0, 40_000, tzinfo=UTC)
    query = register_parameters(ID, "Yard by night", schedule_id=ID, recording_id=ID, started_at=started_at)
    assert RecordingRegistration.model_validate(query) == RecordingRegistration(
        camera_id=ID, recording_name="Yard by night", schedule_id=ID, recording_id=ID, started_at=started_at
    )
    assert set(register_parameters(ID, "Manual")) == {"camera_id", "recording_name"}


def test_the_causes_of_gaps_are_those_of_the_wire() -> None:
    assert {cause.value for cause in GapCause} == {
        "camera_unreachable", "camera_refused", "stream_stalled", "disk_full", "disk_missing", "recorder_down",
        "power_lost", "clock_step", "retention", "unsupported_stream", "recorder_overloaded",
    }  # fmt: skip


def test_a_cause_that_came_later_makes_an_older_control_plane_refuse_that_gap_alone() -> None:
    moments = {"start": "2026-03-01T19:12:04Z", "end": "2026-03-01T19:13:10Z"}
    known, newer = (
        {"id": str(UUID(int=number)), "camera_id": str(ID), "cause": cause} | moments
        for number, cause in enumerate(("disk_full", "eaten_by_a_grue"))
    )
    read = GapReport.model_validate({"gaps": [known, newer]}).gaps
    assert isinstance(read[0], Gap)
    assert isinstance(read[1], Unreadable)
    assert read[1].id == UUID(int=1)


# --- Versions that differ ---------------------------------------------------------------------------------------------


def config(**more: Any) -> dict[str, Any]:
    return {"revision": "1", "client_id": str(ID), "client_name": "Gatehouse"} | more


def test_one_schedule_that_can_not_be_read_leaves_the_others() -> None:
    good = json.loads(SCHEDULE.model_dump_json())
    odd = good | {"schedule_type": "moonphase", "id": "0198f0c4-8a00-7b3c-9f10-6d2b8e4a1c55"}
    document = config(schedules=[odd, good, 5], cameras=[{"id": "x"}, good["camera"]])
    read = RecorderConfig.model_validate_json(json.dumps(document))
    assert read.schedules == [SCHEDULE]
    assert read.cameras == [ConfiguredCamera.model_validate(CAMERA.model_dump())]
    camera, schedule, number = read.unreadable
    assert camera.startswith("camera x: id: ")
    assert schedule.startswith("schedule 0198f0c4-8a00-7b3c-9f10-6d2b8e4a1c55: schedule_type: ")
    assert number.startswith("schedule ?: ")
    assert "pass" not in "".join(read.unreadable)
    assert RecorderConfig.model_validate(config()).unreadable == ()


def test_a_schedule_that_makes_no_sense_is_still_read() -> None:
    senseless = json.loads(SCHEDULE.model_dump_json()) | {"schedule_type": "weekly", "start_date": "0001-01-01"}
    read = RecorderConfig.model_validate(config(schedules=[senseless]))
    assert len(read.schedules) == 1
    assert read.unreadable == ()


def test_a_config_without_its_lists_is_empty_and_one_with_something_else_is_refused() -> None:
    assert RecorderConfig.model_validate(config(cameras=None)).cameras == []
    with pytest.raises(ValidationError):
        RecorderConfig.model_validate(config(cameras="all"))
    with pytest.raises(ValidationError):
        RecorderConfig.model_validate([])


def test_a_refusal_code_of_the_future_costs_no_other_verdict() -> None:
    verdict = {"id": str(ID), "verdict": "refused", "code": "eclipse", "reason": "The moon is in the way."}
    answer = OffersAnswer.model_validate({"segments": [verdict, {"id": str(ID), "verdict": "stored"}]})
    assert answer.segments[0].code is None
    assert answer.segments[0].reason == "The moon is in the way."
