"""What a camera says that it sends: session descriptions (RFC 8866) as far as they concern plain cameras."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from recorder.errors import UnsupportedStream
from recorder.rtsp.unsuited import Unsuited

VideoCodec = Literal["h264", "hevc"]
AudioCodec = Literal["aac", "pcm_alaw", "pcm_mulaw"]

_VIDEO: Mapping[str, VideoCodec] = {"H264": "h264", "H265": "hevc"}
_G711: Mapping[str, AudioCodec] = {"PCMA": "pcm_alaw", "PCMU": "pcm_mulaw"}
_STATIC = {"0": "PCMU/8000", "8": "PCMA/8000"}
"""RFC 3551, table 4: these need no rtpmap."""
_SPROPS: Mapping[VideoCodec, tuple[str, ...]] = {
    "h264": ("sprop-parameter-sets",),
    "hevc": ("sprop-vps", "sprop-sps", "sprop-pps"),
}
# RFC 6184 and RFC 7798: with any of these pictures come in another order than they are decoded.
_REORDERING = ("sprop-interleaving-depth", "sprop-max-don-diff", "sprop-depack-buf-nalus")
# ISO/IEC 14496-3, table 1.18
_AAC_RATES_HZ = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_AAC_CHANNELS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 6, 7: 8}
_AAC_LAYOUT = {"mode": "aac-hbr", "sizelength": "13", "indexlength": "3", "indexdeltalength": "3"}
_AAC_LC = 2
_ESCAPED_RATE = 15
_CHARACTERS = re.compile(r"[!-~]*")


@dataclass(frozen=True, slots=True)
class VideoTrack:
    codec: VideoCodec
    payload_type: int
    clock_hz: int
    control: str
    """The address that SETUP names."""
    parameter_sets: tuple[bytes, ...]
    """NAL units; empty if the camera sends them in the stream only."""


@dataclass(frozen=True, slots=True)
class AudioTrack:
    codec: AudioCodec
    payload_type: int
    clock_hz: int
    control: str
    sample_hz: int
    channels: int
    config: bytes = b""
    """AAC: the AudioSpecificConfig of ISO/IEC 14496-3."""
    frame_ticks: int = 0
    """AAC: how long a frame lasts, in the track's clock."""


@dataclass(frozen=True, slots=True)
class Description:
    """The tracks to be set up."""

    control: str
    """The address of the session as a whole."""
    video: VideoTrack
    audio: AudioTrack | None


@dataclass(slots=True)
class _Media:
    kind: str
    profile: str
    formats: list[str]
    attributes: dict[str, list[str]] = field(default_factory=dict)

    def attribute(self, name: str) -> str:
        return self.attributes.get(name, [""])[0]

    def of_format(self, name: str, number: str) -> str:
        """The `rtpmap` or `fmtp` of a payload type."""
        for text in self.attributes.get(name, []):
            given, _, rest = text.partition(" ")
            if given == number:
                return rest.strip()
        return ""


def parse(text: str, base_url: str, *, with_audio: bool = True) -> Description:
    """The first video track and the first audio track. UnsupportedStream without video, Unsuited if libav must do it.

    `base_url` is what relative addresses are relative to (RFC 7826, appendix D.1.1).
    """
    session, media = _sections(text)
    videos = [each for each in media if each.kind == "video"]
    if not videos:
        raise UnsupportedStream("The camera sends no video.")
    control = session.attribute("control")
    base = control if _is_absolute(control) else base_url
    # What a camera wants to hear (ONVIF's backchannel) is marked from the camera's point of view.
    sounds = [each for each in media if each.kind == "audio" and "sendonly" not in each.attributes]
    audio = _audio(sounds[0], base) if sounds and with_audio else None
    return Description(_printable(base), _video(videos[0], base), audio)


def _sections(text: str) -> tuple[_Media, list[_Media]]:
    session = _Media("session", "", [])
    media: list[_Media] = []
    for line in text.splitlines():
        key, _, rest = line.strip().partition("=")
        if key == "m":
            words = rest.split()
            kind, profile, formats = (words[0], words[2], words[3:]) if len(words) > 3 else ("", "", [])  # noqa: PLR2004 - m=<media> <port> <proto> <fmt> ...
            media.append(_Media(kind.lower(), profile.upper(), formats))
        elif key == "a":
            name, _, value = rest.partition(":")
            (media[-1] if media else session).attributes.setdefault(name.strip().lower(), []).append(value.strip())
    return session, media


def _video(media: _Media, base: str) -> VideoTrack:
    number, encoding, clock_hz, _ = _format(media)
    codec = _VIDEO.get(encoding)
    if codec is None:
        raise Unsuited("The camera sends another video than H.264 or H.265.")
    parameters = _parameters(media.of_format("fmtp", str(number)))
    if parameters.get("packetization-mode", "1") not in {"0", "1"}:
        raise Unsuited("The camera sends NAL units interleaved.")
    if any(parameters.get(name, "0") != "0" for name in _REORDERING):
        raise Unsuited("The camera sends NAL units in another order than they are decoded in.")
    return VideoTrack(codec, number, clock_hz, _control(media, base), _parameter_sets(codec, parameters))


def _audio(media: _Media, base: str) -> AudioTrack:
    number, encoding, clock_hz, channels = _format(media)
    control = _control(media, base)
    if encoding in _G711:
        return AudioTrack(_G711[encoding], number, clock_hz, control, clock_hz, channels)
    if encoding != "MPEG4-GENERIC":
        raise Unsuited("The camera sends another sound than AAC or G.711.")
    parameters = _parameters(media.of_format("fmtp", str(number)))
    if any(parameters.get(name, "").lower() != wanted for name, wanted in _AAC_LAYOUT.items()):
        raise Unsuited("The camera packs its AAC in an unusual way.")
    try:
        config = bytes.fromhex(parameters.get("config", ""))
    except ValueError:
        config = b""
    sample_hz, channels, frame_samples = _aac(config)
    return AudioTrack(
        "aac", number, clock_hz, control, sample_hz, channels, config, frame_samples * clock_hz // sample_hz
    )


def _format(media: _Media) -> tuple[int, str, int, int]:
    """Payload type, name of the encoding, clock and channels."""
    number = media.formats[0] if media.formats else ""
    name, _, rest = (media.of_format("rtpmap", number) or _STATIC.get(number, "")).partition("/")
    clock, _, channels = rest.partition("/")
    is_plain = media.profile in {"RTP/AVP", "RTP/AVPF", "RTP/AVP/TCP"}
    digits = (number, clock, channels or "1")
    if not is_plain or any(not (text.isascii() and text.isdigit() and len(text) <= 7) for text in digits):  # noqa: PLR2004 - no clock is faster
        raise Unsuited("The camera doesn't say in the usual way what it sends.")
    if int(number) > 127 or not int(clock) or not 0 < int(channels or 1) <= 8:  # noqa: PLR2004 - 7 bits; speakers
        raise Unsuited("The camera doesn't say in the usual way what it sends.")
    return int(number), name.upper(), int(clock), int(channels or 1)


def _parameters(fmtp: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in fmtp.split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _parameter_sets(codec: VideoCodec, parameters: Mapping[str, str]) -> tuple[bytes, ...]:
    """Those that can be used. Some cameras announce rubbish and send the right ones in the stream."""
    texts = ",".join(parameters.get(name, "") for name in _SPROPS[codec]).split(",")
    units = [
        unit.rstrip(b"\0") for text in texts for unit in _decoded(text).split(b"\0\0\1")
    ]  # some announce a byte stream
    if codec == "h264":
        return tuple(unit for unit in units if unit and unit[0] & 0x9F in {7, 8})
    return tuple(unit for unit in units if len(unit) > 2 and unit[0] in {64, 66, 68})  # noqa: PLR2004 - the header


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""


def _aac(config: bytes) -> tuple[int, int, int]:
    """Sampling rate, channels and samples a frame of an AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1)."""
    bits = int.from_bytes(config[:8].ljust(8, b"\0"), "big")
    kind, rate, channels, is_short = bits >> 59, bits >> 55 & 15, bits >> 51 & 15, bits >> 50 & 1
    if rate == _ESCAPED_RATE:
        sample_hz, channels, is_short = bits >> 31 & 0xFFFFFF, bits >> 27 & 15, bits >> 26 & 1
    else:
        sample_hz = _AAC_RATES_HZ[rate] if rate < len(_AAC_RATES_HZ) else 0
    if len(config) < 2 or kind != _AAC_LC or not sample_hz or channels not in _AAC_CHANNELS:  # noqa: PLR2004 - the shortest there is
        raise Unsuited("The camera sends an unusual kind of AAC.")
    return sample_hz, _AAC_CHANNELS[channels], 960 if is_short else 1024


def _control(media: _Media, base: str) -> str:
    control = media.attribute("control")
    if _is_absolute(control):
        return _printable(control)
    if control in {"", "*"}:
        return _printable(base)
    # Appended, not resolved: cameras with a query in their address mean it so, and libav does it.
    return _printable(base + ("" if base.endswith("/") else "/") + control)


def _is_absolute(url: str) -> bool:
    return url.lower().startswith(("rtsp://", "rtspt://"))


def _printable(url: str) -> str:
    if not _CHARACTERS.fullmatch(url):
        raise Unsuited("The camera names a track by an address that can't be asked for.")
    return url
