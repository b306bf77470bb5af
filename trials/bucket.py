"""A bucket that outlives a `kill -9`: the strict double of Google's, with all that it has acknowledged on disk.

A process of its own: `python -m trials.bucket FOLDER PORT`. What it was asked and what came of it is in
`FOLDER/requests.jsonl`, a line each.
"""

import asyncio
import json
import pickle
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from tests.recorder.gcs import Gcs
from tests.recorder.serving import serving

_FIRST_GENERATION = 1_700_000_000_000_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What the bucket was asked, in all its lives."""

    received_bytes: int
    """Of segments, be it once or twice."""
    opened: Counter[str]
    """Upload sessions, by object."""
    refused: int
    """Uploads and sessions of what was there already (412)."""
    violations: list[str]


class KeptBucket:
    """Wraps the double: before an answer leaves, what it acknowledges is on disk."""

    def __init__(self, folder: Path) -> None:
        self._objects, self._sessions, self._log = objects_of(folder), folder / "sessions", folder / "requests.jsonl"
        for made in (self._objects, self._sessions):
            made.mkdir(parents=True, exist_ok=True)
        # A session's number goes on where it was: an id that is given twice would mix two uploads.
        self.gcs = Gcs(needs_token=False, _generations=_FIRST_GENERATION)
        self._kept: set[str] = set()
        self._recall()
        self._app = self.gcs.app()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        asked = parse_qs(scope.get("query_string", b"").decode())
        session, opened, received = asked.get("upload_id", [""])[0], self.gcs.opened, 0

        async def counted() -> Any:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b"")) if session else 0
            return message

        async def kept_first(message: Any) -> None:
            if message["type"] == "http.response.start":
                self._keep(session, opened)
                self._note(scope["method"], session, asked.get("name", [""])[0], received, message["status"])
            await send(message)

        await self._app(scope, counted, kept_first)

    def _keep(self, session: str, opened: int) -> None:
        changed = {session} if session in self.gcs.sessions else set()
        if self.gcs.opened > opened:
            changed |= {one for one in self.gcs.sessions if one not in self._kept}
        for name in [name for name in self.gcs.objects if name not in self._kept]:
            file = self._objects / name
            file.parent.mkdir(parents=True, exist_ok=True)
            _write(file, self.gcs.bodies[name])
            # The metadata is what makes it an object.
            _write(file.with_suffix(".json"), json.dumps(self.gcs.objects[name]).encode())
            self._kept.add(name)
        for one in changed:
            _write(self._sessions / one, pickle.dumps(self.gcs.sessions[one]))
            self._kept.add(one)

    def _note(self, method: str, session: str, name: str, received: int, status: int) -> None:
        line = {"method": method, "session": session, "name": name, "bytes": received, "status": status}
        line |= {"violations": len(self.gcs.violations), "last": self.gcs.violations[-1:]}
        with self._log.open("a") as log:
            log.write(json.dumps(line) + "\n")

    def _recall(self) -> None:
        for file in sorted(self._objects.rglob("*.json")):
            found = json.loads(file.read_bytes())
            self.gcs.objects[found["name"]] = found
            self.gcs.bodies[found["name"]] = file.with_suffix(".mp4").read_bytes()
        for file in self._sessions.glob("[!.]*"):
            session = pickle.loads(file.read_bytes())  # noqa: S301 - written by this program
            # Killed between the two files of an upload's end.
            session.stored = session.stored or self.gcs.objects.get(session.name)
            self.gcs.sessions[file.name] = session
        self._kept = set(self.gcs.objects) | set(self.gcs.sessions)
        self.gcs.opened = len(self.gcs.sessions)
        newest = max((int(found["generation"]) for found in self.gcs.objects.values()), default=_FIRST_GENERATION)
        self.gcs._generations = newest  # noqa: SLF001 - never used twice, as with Google


def objects_of(folder: Path) -> Path:
    """Where the bodies of its objects are."""
    return folder / "objects"


def generations(folder: Path) -> dict[str, int]:
    """Of all objects, by name."""
    found = [json.loads(file.read_bytes()) for file in objects_of(folder).rglob("*.json")]
    return {each["name"]: int(each["generation"]) for each in found}


def asked_of(folder: Path) -> Asked:
    """What its log says."""
    log = folder / "requests.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return Asked(
        sum(line["bytes"] for line in lines),
        Counter(line["name"] for line in lines if line["method"] == "POST" and line["status"] == 200),  # noqa: PLR2004
        sum(line["status"] == 412 for line in lines),  # noqa: PLR2004 - HTTP's numbers
        sorted({violation for line in lines for violation in line["last"]}),
    )


def _write(file: Path, content: bytes) -> None:
    """Whole or not at all; a kill of this process is survived, a power cut need not be."""
    part = file.with_name(f".{file.name}")
    part.write_bytes(content)
    part.replace(file)


async def _main(folder: Path, port: int) -> None:
    bucket = KeptBucket(folder)
    async with serving(bucket, port=port) as root:
        bucket.gcs.root = root
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), int(sys.argv[2])))
