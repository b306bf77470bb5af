"""What a simulated camera is made of."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

VIDEO_CLOCK_HZ = 90_000
JPEG_STEP, JPEG_LIMIT = 8, 2040  # RFC 2435, section 3.1
SMALLEST_SIDE = 64  # x265 takes nothing smaller


class VideoCodec(StrEnum):
    H264 = "h264"
    H265 = "h265"
    MJPEG = "mjpeg"


class AudioCodec(StrEnum):
    NONE = "none"
    AAC = "aac"
    PCM_ALAW = "pcm_alaw"
    PCM_MULAW = "pcm_mulaw"


class MetadataCodec(StrEnum):
    ONVIF = "onvif"


class Authentication(StrEnum):
    NONE = "none"
    BASIC = "basic"
    DIGEST = "digest"


class Clock(StrEnum):
    LOOPED = "looped"
    """Encoded once and played in an endless loop: the same bytes on every run."""
    LIVE = "live"
    """Encoded while somebody watches, with the wall clock burned in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSpec:
    """One camera: what it shows, how it encodes, whom it lets in.

    `picture_name` is the name burned into the picture; cameras that share it and everything else that concerns the
    encoder share one generated file and one copy in memory.
    """

    name: str
    codec: VideoCodec = VideoCodec.H264
    audio: AudioCodec = AudioCodec.NONE
    width: int = 640
    height: int = 360
    fps: int = 25
    gop_frames: int = 25
    bitrate_bps: int = 500_000
    b_frames: int = 0
    uneven_frames: bool = False
    """Frames at changing distances: a variable frame rate, on average `fps`."""
    loop_seconds: int = 10
    seed: int = 0
    picture_name: str = ""
    clock: Clock = Clock.LOOPED
    file: Path | None = None
    """Plays this file instead of generated media."""
    user: str = ""
    password: str = ""
    authentication: Authentication = Authentication.DIGEST
    """Only asked for when there is a `user`."""
    starts_at_keyframe: bool = True
    """False sends a new viewer what comes next, in the middle of a GOP, as some real cameras do."""
    in_band_parameter_sets: bool = True
    """False leaves the parameter sets to the SDP alone."""
    described_parameter_sets: bool = True
    """False leaves them out of the SDP: who comes in the middle of a GOP can't know what it sees."""
    session_timeout_seconds: int = 60
    metadata: bool = False
    """A third track with ONVIF metadata, five XML documents a second."""
    announced_as: str = ""
    """The video's encoding name in the SDP, where it isn't to be the truth."""
    rtcp_interval_seconds: float = 5.0
    first_rtp_timestamp: int | None = None
    """RTP time of the camera's start; near 2**32 to see the clock wrap. By default it follows from the seed."""
    unsteady_ticks: int = 0
    """Video's RTP timestamps are off by up to so many ticks either way, so that some repeat or go backwards."""
    frozen_timestamps: bool = False
    """Every picture has the same RTP timestamp."""
    phase_seconds: float = 0.0
    """How long ago its clock began when it is made: cameras that are made together needn't send at the same moments."""
    sent_limit: int = 100_000
    """How many of the units sent last are remembered, at about 200 bytes each."""
    own_port: bool = False
    """Listens on a port of its own, so that it can refuse TCP connections while its neighbours accept them."""

    def __post_init__(self) -> None:
        # Plain strings, as they come from a command line or from JSON, are as good as the enumerations' members.
        for key, kind in (("codec", VideoCodec), ("audio", AudioCodec), ("clock", Clock)):
            object.__setattr__(self, key, kind(getattr(self, key)))
        object.__setattr__(self, "authentication", Authentication(self.authentication))
        if not self.name or self.name != self.name.strip("/") or any(c.isspace() or c in "?#" for c in self.name):
            raise ValueError(
                f"{self.name!r} can't be part of an RTSP address: no spaces, no ?, no # and no outer slashes"
            )
        if min(self.width, self.height) < SMALLEST_SIDE or self.width % 2 or self.height % 2:
            raise ValueError(
                f"{self.name}: the picture must be at least {SMALLEST_SIDE} pixels wide and high with even sides"
            )
        if min(self.fps, self.gop_frames, self.bitrate_bps, self.loop_seconds, self.session_timeout_seconds) < 1:
            raise ValueError(f"{self.name}: rates and lengths must be at least 1")
        if min(self.b_frames, self.sent_limit, self.rtcp_interval_seconds, self.unsteady_ticks, self.phase_seconds) < 0:
            raise ValueError(f"{self.name}: there is no less than none")
        if self.file is not None and self.clock is Clock.LIVE:
            raise ValueError(f"{self.name}: a file can't carry a live clock")
        if self.codec is VideoCodec.MJPEG:
            if self.clock is Clock.LIVE:
                raise ValueError(f"{self.name}: only looped video can be MJPEG")
            if self.width % JPEG_STEP or self.height % JPEG_STEP or max(self.width, self.height) > JPEG_LIMIT:
                raise ValueError(f"{self.name}: RTP carries JPEG in multiples of {JPEG_STEP} up to {JPEG_LIMIT} pixels")

    @property
    def loop_frames(self) -> int:
        """Frames in a loop: whole GOPs, so that the keyframe distance stays even across the seam."""
        seconds = self.loop_seconds if self.clock is Clock.LOOPED else 1  # live video only describes itself by a loop
        return -(-seconds * self.fps // self.gop_frames) * self.gop_frames

    @property
    def burned_name(self) -> str:
        return self.picture_name or self.name

    @property
    def required_authentication(self) -> Authentication:
        return self.authentication if self.user else Authentication.NONE
