"""What says that a camera is not for this client."""

from recorder.errors import RecorderError


class Unsuited(RecorderError):
    """This client doesn't speak what the camera wants: open it with libav. The text says why, without a credential."""
