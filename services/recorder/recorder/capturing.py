"""How cameras are read: the settings of everything that captures."""

from dataclasses import dataclass, field
from datetime import timedelta

from recorder.audio import AudioPolicy
from recorder.scenes.rules import Rules
from recorder.sources import RtspClient
from recorder.stream import OPEN_SECONDS, READ_SECONDS, Transport


@dataclass(frozen=True, slots=True)
class Capturing:
    """How cameras are read."""

    policy: AudioPolicy = AudioPolicy.COPY
    transport: Transport = Transport.TCP
    open_seconds: float = OPEN_SECONDS
    read_seconds: float = READ_SECONDS
    client: RtspClient = RtspClient.AUTO
    max_concurrent: int = 100
    limit_reason: str = "as MAX_CONCURRENT_RECORDINGS says"
    """Where `max_concurrent` comes from, for a person."""
    pre_roll: timedelta = timedelta()
    """How much of before its trigger a manual recording holds. 0: no stream is open that nobody asked for."""
    pre_roll_bytes: int = 256 << 20
    """What all cameras together may keep for that."""
    post_roll: timedelta = timedelta()
    """How long a manual recording goes on after it was stopped."""
    scene_rules: Rules | None = field(default_factory=Rules)
    """How frame sizes tell a covered or frozen picture; None: nobody looks."""
