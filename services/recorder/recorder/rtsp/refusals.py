"""What an answer that isn't OK means to whoever wants the camera's footage."""

from recorder.errors import CameraError, CameraRefused, PasswordRefused
from recorder.rtsp.messages import Message
from recorder.rtsp.unsuited import Unsuited

_FORBIDDEN = {401, 403}
_NOT_FOUND = {404, 410}
_TOO_MANY = 453
"""Not Enough Bandwidth (RFC 7826, 17.4.33) is how cameras say that they serve no further client."""
_FAILED = range(500, 600)
_NOT_UNDERSTOOD = {501, 505, 551}


def refusal(answer: Message, method: str) -> CameraError | Unsuited:
    """Unsuited where another client may have more luck."""
    status = answer.status
    if status in _FORBIDDEN:
        return PasswordRefused(f"The camera refused user or password: {status}")
    if status in _NOT_FOUND:
        return CameraRefused(f"The camera knows no stream at this path: {status}")
    if status == _TOO_MANY:
        return CameraRefused(f"The camera refused the stream, perhaps too many clients watch it: {status}")
    if status in _FAILED and status not in _NOT_UNDERSTOOD:
        return CameraRefused(f"The camera failed: {status}")
    return Unsuited(f"The camera answered {method} with {status}.")
