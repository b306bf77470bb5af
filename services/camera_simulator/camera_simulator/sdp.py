"""Session descriptions (RFC 8866, with the media parameters of RFC 6184, 7798 and 3640)."""

import base64

from camera_simulator.media import Media, Track
from camera_simulator.nal_units import unit_type
from camera_simulator.specs import AudioCodec, MetadataCodec, VideoCodec

_STATIC_TYPES = {AudioCodec.PCM_MULAW: 0, AudioCodec.PCM_ALAW: 8}
_G711_HZ = 8000
_VIDEO_TYPE, _AUDIO_TYPE, _METADATA_TYPE = 96, 97, 107
_JPEG_TYPE = 26  # RFC 3551
_G711_NAMES = {AudioCodec.PCM_MULAW: "PCMU", AudioCodec.PCM_ALAW: "PCMA"}


def payload_type(track: Track) -> int:
    if isinstance(track.codec, VideoCodec):
        return _JPEG_TYPE if track.codec is VideoCodec.MJPEG else _VIDEO_TYPE
    if isinstance(track.codec, MetadataCodec):
        return _METADATA_TYPE
    # The static numbers mean 8 kHz mono; any other rate needs a dynamic one (RFC 3551).
    return (
        _STATIC_TYPES.get(track.codec, _AUDIO_TYPE)
        if (track.clock_hz, track.channels) == (_G711_HZ, 1)
        else _AUDIO_TYPE
    )


def describe(name: str, address: str, media: Media, announced_as: str = "", *, has_sets: bool = True) -> bytes:
    """`announced_as` names the video's encoding, where it isn't to be the true one; `has_sets`: video's are told."""
    family = "IP6" if ":" in address else "IP4"
    lines = [
        "v=0",
        f"o=- 1 1 IN {family} {address}",
        f"s={name}",
        f"c=IN {family} {address}",
        "t=0 0",
        "a=control:*",
        "a=range:npt=now-",
    ]
    for index, track in enumerate(media.tracks):
        number = payload_type(track)
        lines += [f"m={track.kind.value} 0 RTP/AVP {number}", f"a=rtpmap:{number} {_encoding(track, announced_as)}"]
        lines += [f"a=fmtp:{number} {parameters}"] if (parameters := _parameters(track, has_sets=has_sets)) else []
        lines += [f"a=framerate:{track.fps:g}"] if track.fps else []
        lines += [f"a=control:track{index}", "a=recvonly"]
    return "\r\n".join([*lines, ""]).encode()


def _encoding(track: Track, announced_as: str) -> str:
    match track.codec:
        case VideoCodec() if announced_as:
            return f"{announced_as}/{track.clock_hz}"
        case VideoCodec.MJPEG:
            return f"JPEG/{track.clock_hz}"
        case MetadataCodec.ONVIF:
            return f"vnd.onvif.metadata/{track.clock_hz}"
        case VideoCodec.H264 | VideoCodec.H265:
            return f"{track.codec.name}/{track.clock_hz}"
        case AudioCodec.AAC:
            return f"mpeg4-generic/{track.clock_hz}/{track.channels}"
        case codec:
            return f"{_G711_NAMES[codec]}/{track.clock_hz}/{track.channels}"


def _parameters(track: Track, *, has_sets: bool) -> str:
    if isinstance(track.codec, VideoCodec) and not has_sets:
        return "packetization-mode=1" if track.codec is VideoCodec.H264 else ""
    encoded = [base64.b64encode(one).decode() for one in track.parameter_sets]
    match track.codec:
        case VideoCodec.H264:
            profile = track.parameter_sets[0][1:4].hex()
            return f"packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={','.join(encoded)}"
        case VideoCodec.H265:
            names = {32: "vps", 33: "sps", 34: "pps"}
            pairs = zip(track.parameter_sets, encoded, strict=True)
            return ";".join(f"sprop-{names[unit_type(VideoCodec.H265, one)]}={text}" for one, text in pairs)
        case AudioCodec.AAC:
            config = track.parameter_sets[0].hex()
            lengths = "sizelength=13;indexlength=3;indexdeltalength=3"
            return f"streamtype=5;profile-level-id=1;mode=AAC-hbr;{lengths};config={config}"
        case _:
            return ""
