"""The recorder's state as a whole, put together from its parts for people, heartbeats and metrics."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from camfleet_contract.chains import ChainHead
from camfleet_contract.configuration import Schedule
from camfleet_contract.heartbeats import Backlog, Disk, FetchProgress
from camfleet_contract.schedules import next_change
from camfleet_contract.zones import zone
from recorder.cameras import Cameras
from recorder.clock import Clock
from recorder.config import ConfigSync
from recorder.heartbeat import Vitals
from recorder.link import Link, LinkCondition
from recorder.problems import Problems
from recorder.pulse import Pulse
from recorder.risk import Risk
from recorder.spool import Head
from recorder.stock import Stock
from recorder.uplink import Uplink
from recorder.uploads import Uploads


@dataclass(frozen=True, slots=True)
class Status:
    """Answers what the local endpoints and the heartbeat ask. Nothing in it is a secret."""

    version: str
    started_at: datetime
    clock: Clock
    recorder_id: UUID
    stock: Stock
    link: Link
    config: ConfigSync
    cameras: Cameras
    uploads: Uploads
    problems: Problems
    store: str
    """Where segments go: a folder, a bucket, or `brokered`."""
    pulse: Pulse
    uplink: Uplink
    risk: Risk

    def vitals(self) -> Vitals:
        """What a heartbeat tells; blocks."""
        held, config = self.stock.holdings(), self.config.state.config
        last, uplink = self.uploads.state.last_upload, self.uplink.shown()
        return Vitals(
            active_recordings=len(self.cameras.active()),
            cameras=tuple(self.cameras.states()),
            backlog=Backlog(segments=held.backlog.segments, bytes=held.backlog.size_bytes, oldest=held.backlog.oldest),
            disk=Disk(total_bytes=held.space.total_bytes, free_bytes=held.space.free_bytes) if held.space else None,
            last_upload=last.isoformat() if last else None,
            upload_bytes_per_second=uplink.bytes_per_second,
            config_revision=config.revision if config else None,
            problems=tuple(self.problems.own()),
            uplink=uplink,
            at_risk=self.risk.told,
            fetches=tuple(
                FetchProgress(id=fetch_id, segments=left.segments, bytes=left.size_bytes)
                for fetch_id, left in held.fetches.items()
            ),
            chain_heads=tuple(self._as_told(head) for head in held.heads),
        )

    def _as_told(self, head: Head) -> ChainHead:
        return ChainHead(
            camera_id=head.camera_id,
            chain_id=self.recorder_id,
            sequence=head.sequence,
            segment_id=head.segment_id,
            sha256=head.sha256,
            link_sha256=head.link_sha256,
            waiting_from=head.waiting_from,
            given_up=head.given_up,
        )

    def document(self) -> dict[str, Any]:
        """The whole, with the predecessor's keys first; blocks."""
        vitals, problems, held = self.vitals(), self.problems.all(), self.stock.holdings()
        config, link, uploads = self.config.state, self.link.state, self.uploads.state
        damaged = self.cameras.damaged()
        names = {camera.id: camera.name for camera in config.config.cameras} if config.config else {}
        return {
            "status": "degraded" if problems else "running",
            "active_recordings": vitals.active_recordings,
            "schedules": len(config.config.schedules) if config.config else 0,
            "cameras": len(names),
            "sync_status": {
                "source": config.source.value,
                "revision": vitals.config_revision,
                "last_sync": config.confirmed_at,
                "changed_at": config.changed_at,
                "error": config.error or None,
                "unreadable": list(config.config.unreadable) if config.config else [],
            },
            "bucket_status": {
                "store": self.store,
                "connected": not uploads.error,
                "error": uploads.error or None,
                "error_since": uploads.since,
                "last_upload": uploads.last_upload,
                "uploaded_segments": uploads.uploaded,
                "refusals": held.refusals,
                "upload_bytes_per_second": vitals.upload_bytes_per_second,
            },
            "recording_info": [
                {
                    "recording_id": recording.id,
                    "camera_id": recording.camera_id,
                    "camera_name": names.get(recording.camera_id),
                    "schedule_id": recording.schedule_id,
                    "name": recording.name,
                    "started_at": recording.started_at,
                    "until": recording.until,
                }
                for recording in self.cameras.active()
            ],
            "problems": problems,
            "recording_limit": self.cameras.limit,
            "control_plane": {
                "condition": link.condition.value,
                "since": link.since,
                "reason": link.reason or None,
                "last_contact": link.last_contact,
            },
            "camera_states": [
                {
                    "camera_name": names.get(state.camera_id),
                    **state.model_dump(mode="json"),
                    "damaged_units": damaged.get(state.camera_id),
                }
                for state in vitals.cameras
            ],
            "scene_signals": [
                {
                    "camera_name": names.get(event.camera_id) if event.camera_id else None,
                    "camera_id": event.camera_id,
                    "signal": event.kind,
                    "since": event.begin,
                }
                for event in self.cameras.scene_signals()
            ],
            "backlog": vitals.backlog.model_dump(mode="json"),
            "segments": {state.value: count for state, count in held.counts.items()},
            "held": [
                {"recording_id": hold.recording_id, "by": hold.origin.value, "since": hold.since} for hold in held.holds
            ],
            "held_bytes": held.held_bytes,
            "disk": vitals.disk.model_dump() if vitals.disk else None,
            "uplink": vitals.uplink.model_dump(mode="json") if vitals.uplink else None,
            "at_risk": vitals.at_risk.model_dump(mode="json") if vitals.at_risk else None,
            "fetches": [fetch.model_dump(mode="json") for fetch in vitals.fetches],
            "recorder_id": self.recorder_id,
            "version": self.version,
            "started_at": self.started_at,
            "now": self.clock.now(),
        }

    def schedules(self) -> list[dict[str, Any]]:
        """The schedules, without the cameras' credentials, with their next change."""
        config = self.config.state.config
        return [_shown(schedule, self.clock.now()) for schedule in config.schedules] if config else []

    def metrics(self) -> str:
        """The same in Prometheus' text format; blocks. https://prometheus.io/docs/instrumenting/exposition_formats/"""
        vitals, counts = self.vitals(), self.stock.holdings().counts
        oldest = vitals.backlog.oldest
        single: dict[str, float] = {
            "recorder_up": 1,
            "recorder_active_recordings": vitals.active_recordings,
            "recorder_backlog_segments": vitals.backlog.segments,
            "recorder_backlog_bytes": vitals.backlog.bytes,
            "recorder_backlog_age_seconds": (self.clock.now() - oldest).total_seconds() if oldest else 0,
            "recorder_upload_bytes_per_second": vitals.upload_bytes_per_second,
            "recorder_uploaded_bytes_total": self.uplink.confirmed_total,
            "recorder_uploaded_segments_total": self.uploads.state.uploaded,
            "recorder_control_plane_connected": int(self.link.state.condition is LinkCondition.CONNECTED),
            "recorder_problems": len(self.problems.all()),
            "recorder_heartbeats_total": self.pulse.heartbeats,
            "recorder_event_loop_lag_seconds": round(self.pulse.lag_seconds, 6),
        }
        if (uplink := vitals.uplink) is not None:
            single["recorder_upload_hours_open"] = int(uplink.is_open)
            if uplink.limit_kbit is not None:
                single["recorder_upload_limit_bytes_per_second"] = uplink.limit_kbit * 125
            if uplink.capacity_bytes_per_second is not None:
                single["recorder_uplink_capacity_bytes_per_second"] = uplink.capacity_bytes_per_second
        single["recorder_footage_at_risk"] = int(vitals.at_risk is not None)
        if (risk := vitals.at_risk) is not None:
            single["recorder_time_to_loss_seconds"] = max(0.0, (risk.loss_at - self.clock.now()).total_seconds())
            if risk.needed_bytes_per_second is not None:
                single["recorder_needed_uplink_bytes_per_second"] = risk.needed_bytes_per_second
        if vitals.disk:
            single["recorder_disk_free_bytes"] = vitals.disk.free_bytes
            single["recorder_disk_total_bytes"] = vitals.disk.total_bytes
        lines = []
        for name, value in single.items():
            lines += [f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}", f"{name} {value}"]
        lines.append("# TYPE recorder_segments gauge")
        lines += [f'recorder_segments{{state="{state.value}"}} {count}' for state, count in counts.items()]
        lines.append("# TYPE recorder_camera_condition gauge")
        lines += [
            f'recorder_camera_condition{{camera_id="{state.camera_id}",condition="{state.condition.value}"}} 1'
            for state in vitals.cameras
        ]
        lines.append("# TYPE recorder_camera_damaged_units_total counter")
        lines += [
            f'recorder_camera_damaged_units_total{{camera_id="{camera_id}"}} {total}'
            for camera_id, total in self.cameras.damaged().items()
        ]
        return "\n".join(lines) + "\n"


def _shown(schedule: Schedule, now: datetime) -> dict[str, Any]:
    shown = schedule.model_dump(mode="json", exclude={"camera"})
    try:
        change = next_change(schedule, zone(schedule.timezone), now)
    except ValueError:
        change = None
    return shown | {
        "camera": {"id": str(schedule.camera.id), "name": schedule.camera.name},
        "next_change": change.isoformat() if change else None,
    }
