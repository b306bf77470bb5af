"""Checks an export of camfleet without camfleet: needs Python 3.8 or later and nothing else.

    python3 verify.py [FOLDER] [--manifest-sha256 HEX]

FOLDER is where the export was unpacked; the folder of this script, if it is left out. It ends with 0 if everything is
as the manifest says, with 1 if something is not, with 2 if there is nothing that it could check.

Whoever can change files can change the manifest too, and this script. So get the script from somewhere you trust, and
compare the manifest's SHA-256, which is printed at the beginning, with the one in the control plane's audit log (event
camera.exported), or give it as --manifest-sha256.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path
from typing import Any

FORMAT = "camfleet-export-1"
OURS = {"manifest.json", "verify.py", "README.txt"}
NEVER_STORED = {"retention", "disk_missing", "disk_full", "power_lost"}
CHUNK_BYTES = 1 << 20

Json = dict[str, Any]


class Report:
    """Says what is found, and remembers whether anything is wrong."""

    def __init__(self) -> None:
        self.problems = 0

    def say(self, text: str) -> None:
        sys.stdout.write(text + "\n")

    def problem(self, text: str) -> None:
        self.problems += 1
        self.say("PROBLEM: " + text)


def main(arguments: list[str] | None = None) -> int:
    """Check one export; what to exit with."""
    parser = argparse.ArgumentParser(description="Checks an export of camfleet.")
    parser.add_argument("folder", nargs="?", default=str(Path(__file__).resolve().parent))
    parser.add_argument("--manifest-sha256", default="", metavar="HEX", help="what the audit log says")
    given = parser.parse_args(arguments)
    folder, report = Path(given.folder), Report()
    try:
        content = (folder / "manifest.json").read_bytes()
        manifest = json.loads(content.decode("utf-8"))
        segments, chains, gaps = manifest["segments"], manifest["chains"], manifest["gaps"]
        if manifest["format"] != FORMAT:
            return unusable(folder, f"it has the format {manifest['format']}, this script knows {FORMAT}")
        head(report, manifest, hashlib.sha256(content).hexdigest(), given.manifest_sha256.strip().lower())
        check_files(report, folder, segments)
        check_extra(report, folder, segments)
        for chain in chains:
            mine = [segment for segment in segments if segment["chain_id"] == chain["chain_id"]]
            check_chain(report, chain, mine, gaps)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return unusable(folder, f"{type(error).__name__}: {error}")
    for gap in gaps:
        report.say(f"gap: {gap['start']} to {gap['end']}: {gap['cause']} {gap['detail']}")
    files = sum(1 for segment in segments if segment["file"])
    verdict = "NOT as recorded" if report.problems else "as the manifest says"
    report.say(f"{len(segments)} segments, {files} files, {report.problems} problems: {verdict}")
    return 1 if report.problems else 0


def unusable(folder: Path, why: str) -> int:
    """There is nothing to be checked here."""
    sys.stderr.write(f"{folder} can't be checked: {why}\n")
    return 2


def head(report: Report, manifest: Json, sha256: str, expected: str) -> None:
    """What was exported, and the hashes to be compared with the control plane's."""
    camera = manifest["camera"]
    report.say(f"camera {camera['name']} ({camera['id']}), {manifest['from']} to {manifest['until']}")
    report.say(f"exported by {manifest['exported_by']} at {manifest['exported_at']}")
    report.say("SHA-256 of the manifest: " + sha256)
    if expected and expected != sha256:
        report.problem("the manifest is not the one that was exported: its SHA-256 should be " + expected)


def check_files(report: Report, folder: Path, segments: list[Json]) -> None:
    """Size and SHA-256 of each file."""
    whose = {segment["sha256"]: segment for segment in segments}
    for segment in segments:
        if not segment["file"]:
            report.say(f"note: {name(segment)} has no file in here: {segment['why_no_file']}")
            continue
        path = folder / segment["file"]
        if not path.is_file():
            report.problem(f"{name(segment)}: its file {segment['file']} is missing")
            continue
        found = sha256_of(path)
        if found == segment["sha256"] and path.stat().st_size == segment["size_bytes"]:
            continue
        other = whose.get(found)
        if other is not None and other is not segment:
            report.problem(f"{name(segment)}: its file {segment['file']} has the bytes of {name(other)}")
        else:
            report.problem(
                f"{name(segment)}: its file {segment['file']} was altered: its SHA-256 is {found},"
                f" recorded was {segment['sha256']}"
            )


def check_extra(report: Report, folder: Path, segments: list[Json]) -> None:
    """Files that the manifest does not know."""
    known = OURS | {segment["file"] for segment in segments if segment["file"]}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if relative not in known and (path.is_symlink() or not path.is_dir()):
            report.problem(f"{relative} was put in: the manifest knows no such file")


def check_chain(report: Report, chain: Json, segments: list[Json], gaps: list[Json]) -> None:
    """Each link follows from the one before it; the chain has every number."""
    last: Json | None = None
    for segment in sorted(segments, key=lambda one: int(one["sequence"])):
        if last is not None and segment["sequence"] == last["sequence"]:
            report.problem(f"{name(segment)}: {name(last)} has the same number")
            continue
        previous_link = segment["previous_link_sha256"]
        if last is not None and segment["sequence"] == last["sequence"] + 1:
            if segment["previous_sha256"] != last["sha256"]:
                report.problem(f"{name(segment)}: does not follow {name(last)}: previous_sha256 is another")
            previous_link = last["link_sha256"]
        elif last is not None:
            check_hole(report, last, segment, gaps, chain.get("elsewhere", []))
        if (segment["sequence"] == 1 or previous_link) and link_of(segment, previous_link) != segment["link_sha256"]:
            report.problem(f"{name(segment)}: what the manifest says of it was altered: its link hash is another")
        last = segment
    end = chain["head"]
    if end is None:
        return
    report.say(
        f"chain {chain['chain_id']}: the recorder told at {end['told_at']} that it ends with"
        f" #{end['sequence']} {end['segment_id']}, link {end['link_sha256']}"
    )
    for segment in segments:
        if segment["sequence"] == end["sequence"] and segment["link_sha256"] != end["link_sha256"]:
            report.problem(f"{name(segment)}: the chain's end, as its recorder told it, has another link hash")


def check_hole(report: Report, before: Json, after: Json, gaps: list[Json], elsewhere: list[list[int]]) -> None:
    """Numbers without a segment: removed, unless they are not of the interval, or the recorder gave them up."""
    first, last = before["sequence"] + 1, after["sequence"] - 1
    for begin, end in sorted(elsewhere):
        if begin <= last and end >= first:
            check_missing(report, (first, begin - 1), before, after, gaps)
            many = "were" if begin < end else "was"
            report.say(f"note: {numbered(begin, end)} {many} filmed outside of the interval, by the recorder's clock")
            first = end + 1
    check_missing(report, (first, last), before, after, gaps)


def check_missing(report: Report, missing: tuple[int, int], before: Json, after: Json, gaps: list[Json]) -> None:
    """Removed, unless the recorder told that it gave them up."""
    if missing[0] > missing[1]:
        return
    numbers = numbered(*missing)
    for gap in gaps:
        if gap["cause"] in NEVER_STORED and gap["start"] <= after["start"] and gap["end"] >= before["end"]:
            report.say(f"note: {numbers} never left the recorder: {gap['cause']} {gap['detail']}")
            return
    report.problem(f"{numbers} missing between {name(before)} and {name(after)}: removed")


def numbered(first: int, last: int) -> str:
    """The numbers, for a person."""
    return f"#{first}" if first == last else f"#{first} to #{last}"


def link_of(segment: Json, previous: str | None) -> str:
    """The hash over the link before and what the manifest says of the segment, as the recorder reckoned it."""
    facts = [
        "camfleet-link-1",
        previous or None,
        segment["chain_id"],
        segment["sequence"],
        segment["id"],
        segment["camera_id"],
        segment["recording_id"],
        segment["start"],
        segment["end"],
        segment["size_bytes"],
        segment["crc32c"],
        segment["sha256"],
        segment["codec"],
        segment["packets"],
        segment["clock_error_seconds"],
    ]
    return hashlib.sha256(json.dumps(facts, separators=(",", ":")).encode("ascii")).hexdigest()


def sha256_of(path: Path) -> str:
    """Of a file's bytes."""
    sha256 = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(CHUNK_BYTES), b""):
            sha256.update(chunk)
    return sha256.hexdigest()


def name(segment: Json) -> str:
    """The segment, for a person."""
    number = "" if segment["sequence"] is None else f"#{segment['sequence']} "
    return f"{number}{segment['id']} ({segment['start']})"


if __name__ == "__main__":
    sys.exit(main())
