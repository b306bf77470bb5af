"""Recordings that somebody at the site wants kept, with or without a control plane."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from recorder.clock import Clock
from recorder.errors import NotHeld, UnknownRecording
from recorder.spool import HoldOrigin, Spool


@dataclass(frozen=True, slots=True)
class SiteHolds:
    """Sets and ends the site's own holds; the control plane's are its own. Every call may wait for the disk."""

    spool: Spool
    clock: Clock
    on_release: Callable[[], None] = lambda: None

    def hold(self, recording_id: UUID) -> None:
        """Keep its local files until it is released, whatever the rules say. UnknownRecording."""
        if self.spool.recordings.get(recording_id) is None:
            raise UnknownRecording(f"This recorder has no recording {recording_id} (any more).")
        self.spool.holds.hold(recording_id, HoldOrigin.SITE, self.clock.now())

    def release(self, recording_id: UUID) -> str:
        """Let the rules have it again; says what that means. NotHeld."""
        if not self.spool.holds.release(recording_id, HoldOrigin.SITE):
            if self._is_held(recording_id):
                raise NotHeld(f"The control plane holds recording {recording_id}: release it in the console.")
            raise NotHeld(f"Nobody holds recording {recording_id}.")
        self.on_release()
        return "The control plane still holds it" if self._is_held(recording_id) else "The rules of retention apply"

    def _is_held(self, recording_id: UUID) -> bool:
        return any(hold.recording_id == recording_id for hold in self.spool.holds.all())
