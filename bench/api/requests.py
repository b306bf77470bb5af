"""The requests of a fleet: each recorder in its turn, as ours and the predecessor send them."""

import hashlib
import itertools
import json
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from uuid_utils.compat import uuid7

from bench.api.fleet import BenchClient
from bench.api.load import request

_NOT_MODIFIED = 304
_OK = 200


class Requests:
    """The requests to one server, whose documents have these ETags, in the clients' order."""

    def __init__(self, api: str, clients: Sequence[BenchClient], etags: Mapping[str, Sequence[str]]) -> None:
        self._api = api
        self._clients = clients
        self._etags = etags
        self._counts = itertools.count()

    def of(self, name: str) -> Callable[[], bytes]:
        """Makes one request after the other."""
        makers: dict[str, Callable[[], Callable[[], bytes]]] = {
            "api.heartbeat": lambda: self._each(self._heartbeat),
            "api.schedules_304": lambda: self._each(lambda n: self._get("schedules", n, self._etags["schedules"][n])),
            "api.schedules": lambda: self._each(lambda n: self._get("schedules", n)),
            "api.config": lambda: self._each(lambda n: self._get("config", n)),
            "api.register": lambda: lambda: self._register(next(self._counts)),
            "api.register.predecessor": lambda: lambda: self._register_as_predecessor(next(self._counts)),
            "api.status": lambda: lambda: self._status(next(self._counts)),
            "api.offer": lambda: lambda: self._offer(next(self._counts)),
        }
        return makers[name]()

    def status_of(self, name: str) -> int:
        """What it is answered."""
        return _NOT_MODIFIED if name.endswith("_304") else _OK

    def _each(self, make: Callable[[int], bytes]) -> Callable[[], bytes]:
        """Made before, one for each client: whoever makes them takes time from the server."""
        made = [make(number) for number in range(len(self._clients))]
        random.Random(7).shuffle(made)  # noqa: S311 - chance, not secrets
        turn = itertools.cycle(made)
        return lambda: next(turn)

    def _get(self, path: str, number: int, etag: str = "") -> bytes:
        headers = f"If-None-Match: {etag}\r\n" if etag else ""
        return request("GET", f"{self._api}/{path}", self._clients[number].token, headers=headers)

    def _post(self, path: str, client: BenchClient, body: object) -> bytes:
        content = json.dumps(body, separators=(",", ":")).encode()
        return request("POST", f"{self._api}/{path}", client.token, content)

    def _heartbeat(self, number: int) -> bytes:
        client, now = self._clients[number], datetime.now(UTC)
        states = [
            {
                "camera_id": str(camera_id),
                "condition": "recording",
                "since": (now - timedelta(hours=1)).isoformat(),
                "reason": "",
                "last_footage_at": now.isoformat(),
            }
            for camera_id in client.camera_ids
        ]
        body = {
            "active_recordings": len(states),
            "available_space_gb": 118.4,
            "system_info": {"platform": "linux"},
            "version": "0.1.0",
            "boot_id": str(uuid7()),
            "sequence": number,
            "clock": now.isoformat(),
            "cameras": states,
            "backlog": {"segments": 12, "bytes": 90177536, "oldest": now.isoformat()},
            "disk": {"total_bytes": 500107862016, "free_bytes": 127131062272},
            "upload_bytes_per_second": 786432.0,
            "config_revision": self._etags["config"][number].strip('"'),
        }
        return self._post("heartbeat", client, body)

    def _register(self, count: int) -> bytes:
        client, which = self._at(count)
        query = {
            "camera_id": client.camera_ids[which],
            "recording_name": "Night",
            "schedule_id": client.schedule_ids[which],
            "recording_id": uuid7(),
            "started_at": datetime.now(UTC).isoformat(),
        }
        return request("POST", f"{self._api}/recordings/register?{urlencode(query)}", client.token)

    def _register_as_predecessor(self, count: int) -> bytes:
        client, which = self._at(count)
        query = {
            "camera_id": client.camera_ids[which],
            "schedule_id": client.schedule_ids[which],
            "recording_name": f"Night {count}",
        }
        return request("POST", f"{self._api}/recordings/register?{urlencode(query)}", client.token)

    def _status(self, count: int) -> bytes:
        client, which = self._at(count)
        report = {
            "recording_id": str(client.recording_ids[which]),
            "status": "recording",
            "progress": 0.0,
            "frames_recorded": count,
            "file_size": count * 2332,
        }
        return self._post("recordings/status", client, report)

    def _offer(self, count: int) -> bytes:
        client, _ = self._at(count)
        start = datetime.now(UTC)
        offers = [
            {
                "id": str(uuid7()),
                "recording_id": str(recording_id),
                "camera_id": str(camera_id),
                "start": (start - timedelta(minutes=1)).isoformat(),
                "end": start.isoformat(),
                "size_bytes": 7514796,
                "crc32c": "yZRlqg==",
                "sha256": hashlib.sha256(camera_id.bytes).hexdigest(),
                "codec": "h264",
                "packets": 1500,
                "clock_error_seconds": 0.012,
            }
            for camera_id, recording_id in zip(client.camera_ids, client.recording_ids, strict=True)
        ]
        return self._post("segments/offer", client, {"segments": offers})

    def _at(self, count: int) -> tuple[BenchClient, int]:
        client = self._clients[count % len(self._clients)]
        return client, count // len(self._clients) % len(client.camera_ids)
