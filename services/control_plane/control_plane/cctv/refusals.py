"""What the operators' API answers when it refuses, for the document."""

from typing import Any

from pydantic import BaseModel, ConfigDict

Responses = dict[int | str, dict[str, Any]]


class Refusal(BaseModel):
    """Why not, in a sentence for a person."""

    model_config = ConfigDict(frozen=True)

    detail: str


def _refusal(status: int, description: str, example: str) -> Responses:
    content = {"application/json": {"example": {"detail": example}}}
    return {status: {"model": Refusal, "description": description, "content": content}}


MALFORMED = _refusal(400, "The body is not readable at all.", "There was an error parsing the body")
UNAUTHORIZED = _refusal(
    401,
    "No key or access token, or one that is unknown, expired or revoked.",
    "This API key is unknown, expired or revoked.",
)
FORBIDDEN = _refusal(
    403,
    "The caller's role may not do this, or the key's scopes may not, or it belongs to no site and the caller is "
    "limited to some.",
    "This needs the role admin; yours is viewer.",
)
NOT_FOUND = _refusal(
    404,
    "There is no such thing, or not for this caller.",
    "There is no camera 018f4d2e-6b4c-7d2e-8f3a-4b5c6d7e8f90.",
)
CONFLICT = _refusal(
    409,
    "It does not go with what is there now.",
    "This camera has recordings, which would be lost with it. Deactivate it instead: is_active false.",
)
TOO_LARGE = _refusal(413, "The body is too large.", "The body is too big: at most 4194304 bytes.")
NOT_JSON = _refusal(
    415,
    "The body does not say that it is JSON.",
    "Send the body as JSON, with the header Content-Type: application/json.",
)
UNAVAILABLE = _refusal(503, "The database can't be reached: try again.", "The database can't be reached.")

WRONG_LOGIN = _refusal(
    401, "Unknown name, wrong password, or an operator who is not active.", "Unknown user name or wrong password."
)
WRONG_REFRESH = _refusal(
    401,
    "A refresh token that is not good, or not any more.",
    "This refresh token is unknown, used, expired or revoked: log in again.",
)
TOO_MANY = _refusal(429, "Too many failed logins from there.", "Too many failed logins: wait.")

OPEN = MALFORMED | TOO_LARGE | UNAVAILABLE
"""Of operations that need no key."""
EVERYWHERE = OPEN | UNAUTHORIZED | FORBIDDEN
