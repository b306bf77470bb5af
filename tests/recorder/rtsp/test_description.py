"""Session descriptions in the manner of real cameras: what is set up, and what is left to libav."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.errors import UnsupportedStream
from recorder.rtsp.description import AudioTrack, Description, parse
from recorder.rtsp.unsuited import Unsuited

BASE = "rtsp://10.0.0.5:554/stream"
SPS, PPS = bytes.fromhex("674d001e9a"), bytes.fromhex("68ee3c80")
SETS = "Z00AHpo=,aO48gA=="

# One H.264 track, a track of metadata, absolute addresses, and a session's address of its own.
METADATA = f"""v=0
o=- 1700000000000000 1700000000000000 IN IP4 10.0.0.5
s=Media Presentation
e=NONE
b=AS:5100
t=0 0
a=control:{BASE}/
m=video 0 RTP/AVP 96
c=IN IP4 0.0.0.0
b=AS:5000
a=recvonly
a=x-dimensions:1920,1080
a=control:{BASE}/trackID=1
a=rtpmap:96 H264/90000
a=fmtp:96 profile-level-id=420029; packetization-mode=1; sprop-parameter-sets={SETS}
m=audio 0 RTP/AVP 8
c=IN IP4 0.0.0.0
a=recvonly
a=control:{BASE}/trackID=2
a=rtpmap:8 PCMA/8000
a=Media_header:MEDIAINFO=494D4B48;
m=application 0 RTP/AVP 107
a=control:{BASE}/trackID=3
a=rtpmap:107 vnd.onvif.metadata/90000
"""

# Relative addresses, AAC, and a second audio track that the camera wants to hear.
BACKCHANNEL = """v=0
o=- 2251938191 2251938191 IN IP4 0.0.0.0
s=RTSP Session/2.0
c=IN IP4 0.0.0.0
t=0 0
a=control:*
a=range:npt=now-
m=audio 0 RTP/AVP 97
a=control:trackID=5
a=rtpmap:97 PCMU/16000
a=sendonly
m=video 0 RTP/AVP 98
a=control:trackID=0
a=framerate:25.000000
a=rtpmap:98 H265/90000
a=fmtp:98 profile-id=1;sprop-vps=QAEMAf//;sprop-sps=QgEBAWAA;sprop-pps=RAHA8w==
a=recvonly
m=audio 0 RTP/AVP 99
a=control:trackID=1
a=rtpmap:99 MPEG4-GENERIC/16000/1
a=fmtp:99 streamtype=5; profile-level-id=15; mode=AAC-hbr; config=1408; SizeLength=13; IndexLength=3; IndexDeltaLength=3
a=recvonly
"""

# Two video tracks, G.711 without an rtpmap, parameter sets only in the stream.
TWO_VIDEOS = """v=0
s=streamed by a server
i=live
t=0 0
a=tool:a server of media
a=type:broadcast
a=control:*
m=video 0 RTP/AVP 96
b=AS:8192
a=rtpmap:96 H264/90000
a=control:track1
m=video 0 RTP/AVP 97
a=rtpmap:97 JPEG/90000
a=control:track2
m=audio 0 RTP/AVP 0
a=control:track3
"""


def test_a_track_of_metadata_is_left_alone() -> None:
    found = parse(METADATA.replace("\n", "\r\n"), BASE)
    assert found.control == f"{BASE}/"
    assert (found.video.codec, found.video.payload_type, found.video.clock_hz) == ("h264", 96, 90000)
    assert found.video.parameter_sets == (SPS, PPS)
    assert found.video.control == f"{BASE}/trackID=1"
    assert found.audio == AudioTrack("pcm_alaw", 8, 8000, f"{BASE}/trackID=2", 8000, 1)


def test_what_the_camera_wants_to_hear_is_not_what_it_sends() -> None:
    found = parse(BACKCHANNEL, f"{BASE}/")
    assert found.control == f"{BASE}/"
    assert found.video.codec == "hevc"
    assert [unit[0] >> 1 for unit in found.video.parameter_sets] == [32, 33, 34]
    assert found.audio == AudioTrack("aac", 99, 16000, f"{BASE}/trackID=1", 16000, 1, b"\x14\x08", 1024)


def test_of_several_video_tracks_the_first_is_recorded() -> None:
    found = parse(TWO_VIDEOS, BASE)
    assert (found.video.codec, found.video.control, found.video.parameter_sets) == ("h264", f"{BASE}/track1", ())
    assert found.audio == AudioTrack("pcm_mulaw", 0, 8000, f"{BASE}/track3", 8000, 1)


def test_without_audio_none_is_looked_at() -> None:
    assert parse(BACKCHANNEL.replace("MPEG4-GENERIC", "G729"), BASE, with_audio=False).audio is None


@pytest.mark.parametrize(
    ("base", "control", "address"),
    [
        (BASE, "track1", f"{BASE}/track1"),
        (f"{BASE}/", "track1", f"{BASE}/track1"),
        (f"{BASE}?channel=1&subtype=0", "trackID=0", f"{BASE}?channel=1&subtype=0/trackID=0"),
        (BASE, "rtsp://192.168.1.9/other/track1", "rtsp://192.168.1.9/other/track1"),
        (BASE, "*", BASE),
    ],
)
def test_a_tracks_address_is_found_as_cameras_mean_it(base: str, control: str, address: str) -> None:
    assert parse(TWO_VIDEOS.replace("control:track1", f"control:{control}"), base).video.control == address


def test_a_track_without_an_address_has_that_of_the_session() -> None:
    assert parse(TWO_VIDEOS.replace("a=control:track1\n", ""), BASE).video.control == BASE


@pytest.mark.parametrize("sets", ["!!!", "AAAAAWdNAB6a,6Xt1", "", "Z00AHpoAAAABaO48gA=="])
def test_parameter_sets_that_are_none_are_left_out(sets: str) -> None:
    found = parse(METADATA.replace(SETS, sets), BASE).video.parameter_sets
    assert set(found) <= {SPS, PPS}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("packetization-mode=1", "packetization-mode=2"),
        ("packetization-mode=1", "packetization-mode=1;sprop-max-don-diff=4"),
        ("H264/90000", "H263-1998/90000"),
        ("H264/90000", "H264"),
        ("H264/90000", "H264/0"),
        ("RTP/AVP 96", "RTP/SAVP 96"),
        ("RTP/AVP 96", "RTP/AVP 300"),
        ("RTP/AVP 96", "UDP 96"),
        ("PCMA/8000", "G726-32/8000"),
        ("PCMA/8000", "MPEG4-GENERIC/8000"),
        ("trackID=1", "track ID=1"),
        ("trackID=1", "träck"),
    ],
)
def test_what_is_unusual_is_for_libav(old: str, new: str) -> None:
    assert old in METADATA
    with pytest.raises(Unsuited):
        parse(METADATA.replace(old, new), BASE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("AAC-hbr", "AAC-lbr"),
        ("IndexLength=3", "IndexLength=0"),
        ("config=1408", "config="),
        ("config=1408", "config=xyz"),
        ("config=1408", "config=2b08"),
        ("config=1408", "config=1780"),
    ],
)
def test_unusual_aac_is_for_libav(old: str, new: str) -> None:
    assert old in BACKCHANNEL
    with pytest.raises(Unsuited):
        parse(BACKCHANNEL.replace(old, new), BASE)


def test_aac_of_an_escaped_rate_is_understood() -> None:
    # 2 (AAC-LC), 15 (escape), 16000, 2 channels, 960 samples a frame
    config = int(f"{2:05b}{15:04b}{16000:024b}{2:04b}1{0:010b}", 2).to_bytes(6, "big").hex()
    audio = parse(BACKCHANNEL.replace("config=1408", f"config={config}"), BASE).audio
    assert audio is not None
    assert (audio.sample_hz, audio.channels, audio.frame_ticks) == (16000, 2, 960)


def test_a_camera_without_video_is_said_to_be_one() -> None:
    with pytest.raises(UnsupportedStream):
        parse(METADATA.replace("m=video", "m=text"), BASE)


lines = st.sampled_from([*METADATA.splitlines(), *BACKCHANNEL.splitlines(), *TWO_VIDEOS.splitlines()])


@given(st.lists(st.one_of(lines, st.text(max_size=40), lines.map(lambda line: line[:-3])), max_size=40))
def test_whatever_is_described_ends_in_tracks_or_in_our_own_words(text: list[str]) -> None:
    try:
        found = parse("\n".join(text), BASE)
    except (Unsuited, UnsupportedStream):
        return
    assert isinstance(found, Description)
    assert found.video.control.isascii()
