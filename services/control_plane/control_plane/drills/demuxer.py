"""Reads one MP4 file to its end, in a process of its own that may use little: the file may be anybody's.

Standard input is the file, standard output gets one line of JSON. Nothing of the control plane is imported, and the
process is given neither settings nor a path.
"""

import json
import resource
import sys

MEMORY_BYTES = 1 << 30
"""Of address space; a third of it is what loading the libraries takes."""
CPU_SECONDS = 60
"""An hour of a very good camera takes less than two."""
_SECONDS_TO_END = 5
UNAVAILABLE = 3
"""What it ends with where it can't read any file."""


def main() -> None:
    """Count the packets of the first video stream and say so, or say why not."""
    try:
        # Before the file has a say, and outside of what is counted as its fault.
        import av  # noqa: F401
    except (ImportError, OSError, MemoryError):
        sys.exit(UNAVAILABLE)
    for kind, limit, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES, MEMORY_BYTES),
        # By a signal of its own (SIGXCPU): SIGKILL is what a machine without memory sends to whomever it picks.
        (resource.RLIMIT_CPU, CPU_SECONDS, CPU_SECONDS + _SECONDS_TO_END),
        # No file, no core dump.
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        resource.setrlimit(kind, (limit, most))
    answer: dict[str, object]
    try:
        answer = {"packets": _packets()}
    except MemoryError:
        answer = {"problem": f"needs more than {MEMORY_BYTES >> 20} MiB of memory"}
    except Exception as error:  # noqa: BLE001 - whatever a broken file leads to, it is the answer
        answer = {"problem": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(answer))


def _packets() -> int:
    import av

    # The file as an object: libav opens nothing by itself then, whatever the file refers to.
    with av.open(sys.stdin.buffer, "r", format="mp4") as container:
        if not container.streams.video:
            raise ValueError("has no video")
        video = container.streams.video[0]
        count = 0
        for packet in container.demux():
            if packet.is_corrupt:
                raise ValueError(f"packet {count} is marked as corrupt")
            # The last of each stream is an empty one, by which PyAV says that there are no more.
            if packet.size and packet.stream is video:
                count += 1
        return count


if __name__ == "__main__":
    main()
