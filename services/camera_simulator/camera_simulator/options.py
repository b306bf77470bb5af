"""Cameras as they are written on the command line: `NAME:key=value,key=value`."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from camera_simulator.specs import AudioCodec, Authentication, CameraSpec, Clock, VideoCodec

_TRUE, _FALSE = {"true", "yes", "1"}, {"false", "no", "0"}


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise ValueError("must be true or false")


_SPECIAL: Mapping[str, Callable[[str], object]] = {
    "codec": VideoCodec,
    "audio": AudioCodec,
    "authentication": Authentication,
    "clock": Clock,
    "file": Path,
    "first_rtp_timestamp": int,
}
_BY_DEFAULT: Mapping[type, Callable[[str], object]] = {bool: _boolean, int: int, float: float, str: str}
_READERS = {
    field.name: _SPECIAL.get(field.name) or _BY_DEFAULT[type(field.default)]
    for field in dataclasses.fields(CameraSpec)
    if field.name != "name"
}


def parse_camera(text: str, user: str = "", password: str = "") -> CameraSpec:
    """Raises `ValueError` that says what is wrong. User and password hold where the camera names none."""
    name, _, rest = text.partition(":")
    pairs = [pair.partition("=") for pair in rest.split(",") if pair]
    if broken := [key for key, equals, _ in pairs if not equals]:
        raise ValueError(f"{name}: {broken[0]!r} is not key=value")
    # Nobody outside the process can read what was sent: it isn't kept unless asked for.
    values: dict[str, Any] = {"user": user, "password": password, "sent_limit": 0} | parse_fields(
        {key: value for key, _, value in pairs}
    )
    return CameraSpec(name=name, **values)


def parse_fields(texts: Mapping[str, str]) -> dict[str, Any]:
    """Fields of a `CameraSpec` from their texts. Raises `ValueError`."""
    values = {}
    for key, text in texts.items():
        if key not in _READERS:
            raise ValueError(f"there is no {key!r}, only {', '.join(_READERS)}")
        try:
            values[key] = _READERS[key](text)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from error
    return values
