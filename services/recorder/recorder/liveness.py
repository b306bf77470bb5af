"""When a connection that is still open counts as dead."""

from recorder.errors import StreamStalled


class Liveness:
    """Told of every packet of one connection; times are monotonic seconds."""

    def __init__(self, read_seconds: float, now: float) -> None:
        self._read_seconds = read_seconds
        self._last_video = self._last_audio = now
        self._last_keyframe: float | None = None
        self._keyframe_distance = 0.0
        """The longest seen: smart codecs stretch it from 2 s to 60 s while running."""

    def video(self, now: float, *, is_keyframe: bool) -> None:
        """A picture came."""
        self._last_video = now
        if is_keyframe:
            if self._last_keyframe is not None:
                self._keyframe_distance = max(self._keyframe_distance, now - self._last_keyframe)
            self._last_keyframe = now

    def audio(self, now: float) -> None:
        """Sound came. StreamStalled if that has been all for too long."""
        self._last_audio = now
        waited = now - self._last_video
        if waited > 2 * max(self._read_seconds, self._keyframe_distance):
            raise StreamStalled(f"The camera has sent only audio for {waited:.0f} s.")

    def neither(self, now: float) -> None:
        """Something else came: a report, an answer, a part of a picture. StreamStalled if that has been all."""
        waited = now - max(self._last_video, self._last_audio)
        if waited > 2 * self._read_seconds:
            raise StreamStalled(f"The camera has sent neither pictures nor sound for {waited:.0f} s.")
