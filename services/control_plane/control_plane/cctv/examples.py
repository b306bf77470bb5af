"""Examples of requests, as the document shows them."""

from fastapi.openapi.models import Example

_SITE = "018f4d2e-5a3b-7c1d-9e2f-3a4b5c6d7e8f"
_CAMERA = "018f4d2e-6b4c-7d2e-8f3a-4b5c6d7e8f90"
_SCHEDULE = "018f4d2e-7c5d-7e3f-9a4b-5c6d7e8f9a01"


def _examples(**values: dict[str, object]) -> dict[str, Example]:
    return {name: Example(summary=name.replace("_", " "), value=value) for name, value in values.items()}


NEW_SITE = _examples(a_site={"name": "Harbour", "timezone": "Europe/Berlin"})
SITE_CHANGE = _examples(another_name={"name": "Old harbour"})

NEW_CLIENT = _examples(
    a_client={"name": "Box in the harbour office", "site_id": _SITE, "camera_ids": [_CAMERA]},
)
CLIENT_CHANGE = _examples(
    its_cameras={"camera_ids": [_CAMERA]},
    deactivate={"is_active": False},
    upload_by_night_at_2_mbit={
        "upload_limit_kbit": 2000,
        "upload_hours": [{"start_time": "22:00:00", "end_time": "06:00:00"}],
    },
)
NEW_FETCH = _examples(
    a_quarter_of_an_hour={"camera_id": _CAMERA, "start": "2026-03-01T19:15:00Z", "end": "2026-03-01T19:30:00Z"},
)

MANUAL = _examples(a_quarter_of_an_hour={"minutes": 15})
CREDENTIALS = _examples(maria={"username": "maria", "password": "her password"})
REFRESH = _examples(a_refresh_token={"refresh_token": "cff_Wc1y..."})
NEW_API_KEY = _examples(
    a_report={"name": "nightly report", "role": "viewer", "expires_at": "2027-03-01T00:00:00Z"},
    a_video_wall={
        "name": "video wall",
        "role": "viewer",
        "site_ids": [_SITE],
        "scopes": ["cameras:read", "recordings:read"],
    },
)

NEW_CAMERA = _examples(
    by_its_parts={
        "name": "Yard",
        "site_id": _SITE,
        "ip_address": "192.168.1.20",
        "port": 554,
        "username": "admin",
        "password": "the camera's password",
        "rtsp_path": "/stream1",
    },
    by_its_url={"name": "Gate", "site_id": _SITE, "rtsp_url": "rtsp://admin:secret@192.168.1.21:554/stream1"},
)
CAMERA_CHANGE = _examples(
    another_password={"password": "the camera's new password"},
    by_udp={"rtsp_transport": "udp"},
    its_second_stream={"recorded_stream": "sub", "rtsp_url_sub": "rtsp://192.168.1.20:554/stream2"},
    deactivate={"is_active": False},
)

NEW_SCHEDULE = _examples(
    every_night={
        "camera_id": _CAMERA,
        "name": "Yard by night",
        "schedule_type": "daily",
        "start_time": "22:00:00",
        "end_time": "06:00:00",
    },
    weekends={
        "camera_id": _CAMERA,
        "name": "Weekends",
        "schedule_type": "weekly",
        "start_time": "08:00:00",
        "end_time": "20:00:00",
        "days_of_week": ["saturday", "sunday"],
    },
    always={"camera_id": _CAMERA, "name": "Always", "schedule_type": "continuous"},
    once={
        "camera_id": _CAMERA,
        "name": "Delivery",
        "schedule_type": "once",
        "start_date": "2026-03-01",
        "start_time": "09:30:00",
        "end_time": "11:00:00",
    },
)
SCHEDULE_CHANGE = _examples(
    other_times={"start_time": "21:00:00", "end_time": "07:00:00"},
    no_last_day={"end_date": None},
)
SCHEDULE_PREVIEW = _examples(
    of_a_new_one={
        "camera_id": _CAMERA,
        "schedule_type": "daily",
        "start_time": "22:00:00",
        "end_time": "06:00:00",
    },
    of_a_change={"schedule_id": _SCHEDULE, "start_time": "23:00:00"},
)
