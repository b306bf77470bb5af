"""What can go wrong in a recorder, and what the reader should do about it."""

from datetime import timedelta
from typing import ClassVar

from camfleet_contract.gaps import GapCause
from camfleet_contract.heartbeats import CameraCondition


class RecorderError(Exception):
    """Anything the recorder itself reports. The text is for a person and never holds a credential."""


class CameraError(RecorderError):
    """One camera gives no footage. The others go on; this one is tried again for ever."""

    cause: ClassVar[GapCause] = GapCause.CAMERA_UNREACHABLE
    condition: ClassVar[CameraCondition] = CameraCondition.UNREACHABLE
    advice: ClassVar[str] = ""
    """What somebody at the site can do about it, where the text itself doesn't say."""


class CameraUnreachable(CameraError):
    """No connection, or no answer."""

    advice = "Check power, cable, address and port."


class CameraRefused(CameraError):
    """The camera answered and said no."""

    cause = GapCause.CAMERA_REFUSED
    condition = CameraCondition.REFUSED
    advice = "Check user, password and path, and how many clients it allows."


class PasswordRefused(CameraRefused):
    """User or password is wrong."""

    advice = "Correct them before the camera locks the account."


class StreamStalled(CameraError):
    """The connection is up and nothing comes: the camera hangs, or the network drops its packets."""

    cause = GapCause.STREAM_STALLED
    condition = CameraCondition.STALLED
    advice = "Where that lasts, restart the camera and check the network."


class StreamEnded(CameraError):
    """The camera ended the stream, as it does when it reboots."""


class UnsupportedStream(CameraError):
    """What the camera sends can't be kept in MP4: change its codec, or its URL."""

    cause = GapCause.UNSUPPORTED_STREAM
    condition = CameraCondition.UNSUPPORTED


class ClockStepped(CameraError):
    """Media time and wall time ran apart: the run ends and starts anew with fresh stamps."""

    cause = GapCause.CLOCK_STEP
    condition = CameraCondition.CONNECTING


class DiskFailed(CameraError):
    """A segment can't be written: look after the disk. Footage stops until it works again."""

    cause = GapCause.DISK_MISSING
    condition = CameraCondition.STALLED


class DiskFull(DiskFailed):
    """No space for a segment: free some."""

    cause = GapCause.DISK_FULL


class DiskGone(DiskFailed):
    """The data disk isn't there: mount it."""


class UnknownCamera(RecorderError):
    """No such camera is assigned to this recorder."""


class AlreadyRecording(RecorderError):
    """A recording of the camera is on: stop that first."""


class NoRoom(RecorderError):
    """As many cameras are recorded as the recorder may read: stop one, or set MAX_CONCURRENT_RECORDINGS."""


class NotRecording(RecorderError):
    """Nothing is recorded of the camera now."""


class UndecodablePicture(RecorderError):
    """The camera's picture can't be shown; its footage is kept all the same, since nobody decodes that here."""


class NotNow(RecorderError):
    """What was asked for would do harm just now; the text says what has to be different."""


class SpoolError(RecorderError):
    """The recorder's disk can't be used."""


class FolderUnusable(SpoolError):
    """The disk under the recorder's own folder fails: full, broken, read-only or away. A person mends it."""


class SpoolBusy(SpoolError):
    """Another recorder uses the directory: stop it, or give this one a directory of its own."""


class SpoolTooNew(SpoolError):
    """A newer recorder wrote the spool: install that version again."""


class DiskMissing(SpoolError):
    """The data disk isn't the one that holds the footage: mount it, or accept the new one."""


class BadSettings(RecorderError):
    """Settings that can't be used; the text names each and what it should be."""


class SecretUnreadable(RecorderError):
    """A secret on disk that the present key does not open: it is fetched anew."""


class ControlPlaneError(RecorderError):
    """A call to the control plane that brought no usable answer."""


class ControlPlaneUnreachable(ControlPlaneError):
    """No answer, or one that says to come back: repeat later."""


class TokenRefused(ControlPlaneError):
    """The control plane does not know the token (any more): an operator must renew CLIENT_TOKEN."""


class CallRefused(ControlPlaneError):
    """The control plane understood and said no; repeating at once would not mend it."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"{status}: {detail}")
        self.status = status
        self.detail = detail


class StorageError(RecorderError):
    """An upload that did not end in a proven object; the local file stays."""


class StorageUnavailable(StorageError):
    """The store can't be reached or used now: repeat later, and not before it asks for."""

    def __init__(self, text: str, asked: timedelta = timedelta(0)) -> None:
        super().__init__(text)
        self.asked = asked


class StorageRefused(StorageError):
    """The store says no, and will until somebody changes something: credentials, rights, the folder."""


class UploadSessionGone(StorageError):
    """The resumable upload has expired or was cancelled: open another."""


class ObjectDiffers(StorageError):
    """The store holds an object of that name with other bytes: a person has to look."""


class LocalFileDamaged(StorageError):
    """The file on disk is missing or no longer has the checksum of its sealing."""


class UploadsClosed(RecorderError):
    """The hours in which footage may be uploaded are over: go on from there when they begin again."""


class PortTaken(RecorderError):
    """The address of the local status pages can't be had: set STATUS_PORT or STATUS_HOST."""


class UnknownRecording(RecorderError):
    """The recorder has no such recording."""


class NotHeld(RecorderError):
    """There is nothing to release."""
