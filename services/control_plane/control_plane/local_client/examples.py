"""One example of each message, for the OpenAPI document; it all belongs together."""

from typing import Any

CLIENT_ID = "01936f3e-8a10-7c55-9c2f-3b0d5f6a7e01"
CAMERA_ID = "01936f3e-8a11-7b02-8d11-52c6e1f0a902"
SCHEDULE_ID = "01936f3e-8a12-7f3a-b5a4-90d1c2e3f403"
RECORDING_ID = "01936f3e-8a13-7e21-a0c7-6e5d4c3b2a04"
SEGMENT_ID = "01936f3e-8a14-7d43-9f00-1a2b3c4d5e05"
GAP_ID = "01936f3e-8a15-7a91-8c5e-0f1e2d3c4b06"
_REVISION = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"

CAMERA: dict[str, Any] = {
    "id": CAMERA_ID,
    "name": "Yard",
    "ip_address": "192.168.1.20",
    "rtsp_url": "rtsp://user:pass@192.168.1.20:554/s1",
    "rtsp_url_sub": None,
    "camera_type": "rtsp",
    "location": None,
    "record_quality": "medium",
}
SCHEDULE: dict[str, Any] = {
    "schedule_type": "daily",
    "start_time": "20:00:00",
    "end_time": "23:59:59",
    "start_date": None,
    "end_date": None,
    "days_of_week": [],
    "is_active": True,
    "id": SCHEDULE_ID,
    "name": "Yard by night",
    "camera": CAMERA,
    "timezone": "Europe/Berlin",
    "updated_at": "2026-03-01T09:30:00Z",
    "segment_seconds": 60,
}
CONFIG: dict[str, Any] = {
    "revision": _REVISION,
    "client_id": CLIENT_ID,
    "client_name": "Warehouse",
    "timezone": "Europe/Berlin",
    "cameras": [CAMERA],
    "schedules": [SCHEDULE],
    "storage": {"mode": "brokered", "url": "gs://footage"},
    "segment_seconds": 60,
}
HEARTBEAT: dict[str, Any] = {
    "client_id": CLIENT_ID,
    "active_recordings": 2,
    "available_space_gb": 118.4,
    "last_upload": None,
    "system_info": {"platform": "Linux"},
    "version": "0.1.0",
    "clock": "2026-03-01T19:00:00Z",
    "backlog": {"segments": 3, "bytes": 22500000, "oldest": "2026-03-01T18:57:00Z"},
    "disk": {"total_bytes": 500000000000, "free_bytes": 127000000000},
    "config_revision": _REVISION,
}
HEARTBEAT_RECEIVED: dict[str, Any] = {
    "message": "Heartbeat received",
    "client_id": CLIENT_ID,
    "status": "online",
    "server_time": "2026-03-01T19:00:00.042Z",
    "config_changed": False,
}
REGISTERED: dict[str, Any] = {"recording_id": RECORDING_ID, "message": "Recording registered successfully"}
STATUS_REPORT: dict[str, Any] = {
    "recording_id": RECORDING_ID,
    "status": "recording",
    "progress": 0.0,
    "frames_recorded": 599,
    "file_size": 1396894,
}
STATUS_ACCEPTED: dict[str, Any] = {"message": "Recording status updated successfully"}
_OBJECT_NAME = f"cameras/{CAMERA_ID}/2026/03/01/{RECORDING_ID}/20260301T190000.000Z_{SEGMENT_ID}.mp4"
OFFER: dict[str, Any] = {
    "start": "2026-03-01T19:00:00Z",
    "end": "2026-03-01T19:01:00Z",
    "id": SEGMENT_ID,
    "recording_id": RECORDING_ID,
    "camera_id": CAMERA_ID,
    "size_bytes": 7500000,
    "crc32c": "yZRlqg==",
    "sha256": "9f" * 32,
    "previous_sha256": None,
    "codec": "h264",
    "packets": 1500,
    "object_name": _OBJECT_NAME,
    "generation": 1700000000000001,
}
OFFERS_ANSWER: dict[str, Any] = {
    "segments": [
        {
            "id": SEGMENT_ID,
            "verdict": "stored",
            "object_name": _OBJECT_NAME,
            "upload": None,
            "code": None,
            "reason": "",
        }
    ]
}
GAP: dict[str, Any] = {
    "start": "2026-03-01T19:10:00Z",
    "end": "2026-03-01T19:12:30Z",
    "id": GAP_ID,
    "camera_id": CAMERA_ID,
    "schedule_id": SCHEDULE_ID,
    "recording_id": RECORDING_ID,
    "cause": "camera_unreachable",
    "detail": "no route to host",
}
GAPS_ANSWER: dict[str, Any] = {"gaps": [{"id": GAP_ID, "verdict": "stored", "reason": ""}]}
