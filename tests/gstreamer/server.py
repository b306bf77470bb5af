"""A camera made of Debian's GStreamer RTSP server, which plays a file in an endless loop as if it were live.

Run by the system's Python, since the bindings belong to that: `/usr/bin/python3 server.py --help`. Knows nothing of
camfleet. Prints one JSON line when it listens; a second thread per watched media hands the samples over in time.
"""

import argparse
import json
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: E402 - only after the versions are named

Gst.init(None)
assert GstApp  # gives appsrc and appsink their methods
missing = [
    name
    for name in ("qtdemux", "rtph264pay", "rtph265pay", "rtpmp4gpay", "appsrc")
    if not Gst.ElementFactory.find(name)
]
if missing:
    sys.exit(f"GStreamer lacks {', '.join(missing)}")

PATH = "/live"
ROLE = "viewer"
CLEAN_UP_SECONDS = 2
LATE_SECONDS = 1.0
"""A camera that hung goes on with what is now; it doesn't catch up with what it never encoded."""
_PAYLOADERS = {
    "video/x-h264": "rtph264pay config-interval=-1",
    "video/x-h265": "rtph265pay config-interval=-1",
    "audio/mpeg": "rtpmp4gpay",
}


@dataclass(frozen=True)
class Unit:
    """One access unit of the loop."""

    track: str
    seconds: float
    data: bytes
    is_delta: bool


@dataclass(frozen=True)
class Loop:
    """A file's units in the order of their time, and each track's caps."""

    caps: dict[str, Any]
    units: list[Unit]
    seconds: float


def load(file: str) -> Loop:
    """Reads a whole MP4 or QuickTime file."""
    caps, units, ends = {}, [], {}
    for track, pad in (("video", "video_0"), ("audio", "audio_0")):
        samples = list(_samples(file, pad))
        if not samples:
            continue
        caps[track] = samples[0].get_caps()
        first = samples[0].get_buffer().pts
        for sample in samples:
            buffer = sample.get_buffer()
            seconds = (buffer.pts - first) / Gst.SECOND
            data = buffer.extract_dup(0, buffer.get_size())
            units.append(Unit(track, seconds, data, is_delta=buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)))
            ends[track] = seconds + buffer.duration / Gst.SECOND
    if "video" not in ends:
        raise SystemExit(f"{file}: no video that could be served")
    # Sound ends some milliseconds after the picture: that little is left out, so that both begin again together.
    within = [unit for unit in units if unit.seconds < ends["video"]]
    return Loop(caps, sorted(within, key=lambda unit: unit.seconds), ends["video"])


def _samples(file: str, pad: str) -> Any:
    pipeline = Gst.parse_launch(
        f'filesrc location="{file}" ! qtdemux name=file file.{pad} ! appsink name=out sync=false'
    )
    pipeline.set_state(Gst.State.PLAYING)
    try:
        while sample := pipeline.get_by_name("out").try_pull_sample(5 * Gst.SECOND):
            yield sample
    finally:
        pipeline.set_state(Gst.State.NULL)


def play(loop: Loop, sources: dict[str, Any], over: threading.Event) -> None:
    """Hand the loop's units over when they are due, until nobody watches any more."""
    started, skipped, rounds = time.monotonic(), 0.0, 0
    while True:
        for unit in loop.units:
            at = rounds * loop.seconds + unit.seconds
            wait = started + skipped + at - time.monotonic()
            if wait > 0 and over.wait(wait):
                return
            if wait < -LATE_SECONDS:
                skipped -= wait
            buffer = Gst.Buffer.new_wrapped(unit.data)
            buffer.pts = round((at + skipped) * Gst.SECOND)
            if unit.is_delta:
                buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
            if sources[unit.track].push_buffer(buffer) is not Gst.FlowReturn.OK:
                return
        rounds += 1


def factory(loop: Loop) -> Any:
    """Makes the media when the first client comes; all clients share it."""
    chains = [
        f"appsrc name={track} is-live=true format=time max-bytes=0 "
        f"! {_PAYLOADERS[caps.get_structure(0).get_name()]} name=pay{number} pt={96 + number}"
        for number, (track, caps) in enumerate(loop.caps.items())
    ]
    made = GstRtspServer.RTSPMediaFactory()
    made.set_launch(f"( {' '.join(chains)} )")
    made.set_shared(True)
    made.connect("media-configure", lambda _factory, media: _configure(media, loop))
    return made


def _configure(media: Any, loop: Loop) -> None:
    sources = {track: media.get_element().get_by_name(track) for track in loop.caps}
    for track, source in sources.items():
        source.set_caps(loop.caps[track])
    over = threading.Event()
    media.connect("unprepared", lambda _media: over.set())
    threading.Thread(target=play, args=(loop, sources, over), daemon=True).start()


def guard(server: Any, made: Any, user: str, password: str) -> None:
    """Let in only who knows the password, by digest."""
    permissions = GstRtspServer.RTSPPermissions()
    for right in (GstRtspServer.RTSP_PERM_MEDIA_FACTORY_ACCESS, GstRtspServer.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT):
        permissions.add_permission_for_role(ROLE, right, True)
    made.set_permissions(permissions)
    token = GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, ROLE)
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    auth.add_digest(user, password, token)
    server.set_auth(auth)


def main() -> None:
    """Serve until killed."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("file", help="MP4 or QuickTime with H.264 or H.265, and AAC or no sound")
    options.add_argument("--port", default="0")
    options.add_argument("--user", default="")
    options.add_argument("--password", default="")
    chosen = options.parse_args()
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(chosen.port)
    made = factory(load(chosen.file))
    if chosen.user:
        guard(server, made, chosen.user, chosen.password)
    server.get_mount_points().add_factory(PATH, made)
    if not server.attach(None):
        raise SystemExit(f"port {chosen.port} can't be had")
    # Clients that left without a word are forgotten when their session is over.
    GLib.timeout_add_seconds(CLEAN_UP_SECONDS, lambda: server.get_session_pool().cleanup() or True)
    print(json.dumps({"url": f"rtsp://127.0.0.1:{server.get_bound_port()}{PATH}"}), flush=True)  # noqa: T201
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
