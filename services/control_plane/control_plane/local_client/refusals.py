"""What a call may be refused with, for the OpenAPI document."""

from typing import Any

from pydantic import BaseModel

_Responses = dict[int | str, dict[str, Any]]


class Refusal(BaseModel):
    """Why a call was refused."""

    detail: str


class InvalidValue(BaseModel):
    """What is wrong with one value of a request."""

    type: str
    loc: list[str | int]
    """Where it stands: `body` or `query`, then the field."""
    msg: str


class Problems(BaseModel):
    """All that is wrong with a request."""

    detail: list[InvalidValue]


def _refusal(description: str, example: str) -> dict[str, Any]:
    return {
        "model": Refusal,
        "description": description,
        "content": {"application/json": {"example": {"detail": example}}},
    }


_PROBLEM = {"type": "uuid_parsing", "loc": ["query", "camera_id"], "msg": "Input should be a valid UUID"}

UNAUTHORIZED = _refusal(
    "No token, or one that is unknown, revoked or expired.", "this token is unknown, revoked or expired"
) | {"headers": {"WWW-Authenticate": {"description": "`Bearer`", "schema": {"type": "string"}}}}
UNAVAILABLE = _refusal(
    "Not now: the database can't be reached, or a camera's credentials can't be decrypted.",
    "The database can't be reached; try again.",
) | {"headers": {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}}
INVALID: dict[str, Any] = {
    "model": Problems,
    "description": "Values that make no sense.",
    "content": {"application/json": {"example": {"detail": [_PROBLEM]}}},
}
ALWAYS: _Responses = {401: UNAUTHORIZED, 422: INVALID, 503: UNAVAILABLE}
"""Every call that needs a token."""
WITH_BODY: _Responses = {
    400: _refusal("The body is no JSON that can be read.", "There was an error parsing the body"),
    413: _refusal("The body is too big.", "The body is too big: at most 4194304 bytes."),
}
NOT_MODIFIED: _Responses = {304: {"description": "`If-None-Match` names the newest version.", "model": None}}


def forbidden(example: str) -> _Responses:
    """403: known, and may not."""
    return {403: _refusal("The caller may not do this.", example)}


def not_found(example: str) -> _Responses:
    """404: no such thing, or not for this caller."""
    return {404: _refusal("There is no such thing, or it is another client's.", example)}


def conflict(example: str) -> _Responses:
    """409: does not fit with what is there."""
    return {409: _refusal("It does not fit with what is stored.", example)}


def etag_header() -> dict[str, Any]:
    """The header of a document that can be asked for conditionally."""
    description = "Strong; send it back as `If-None-Match` to get 304 while nothing changed."
    return {"ETag": {"description": description, "schema": {"type": "string"}}}
