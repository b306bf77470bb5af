"""A session that plays: frames of RTP and RTSP messages in one stream of bytes (RFC 2326, section 10.12)."""

from collections.abc import Callable

from recorder.errors import StreamEnded
from recorder.rtsp.messages import Message, NotRtspError, read_message
from recorder.rtsp.pictures import Pictures
from recorder.rtsp.rtcp import SenderReport, packets
from recorder.rtsp.sounds import Sounds
from recorder.rtsp.units import AccessUnit

_DOLLAR = 0x24
_HEAD_BYTES = 4
_RTP_VERSION = 2
_LONGEST_SEARCH_BYTES = 1 << 20


class Playing:
    """Fed with what comes; knows nothing of sockets."""

    def __init__(
        self, tracks: dict[int, Pictures | Sounds], reports: dict[int, int], heard: Callable[[Message], None]
    ) -> None:
        """`tracks` by their channel; `reports` has, by the channel of their RTCP, that of the track.

        `heard` is told every RTSP message.
        """
        self._tracks = tracks
        self._pictures = [track for track in tracks.values() if isinstance(track, Pictures)]
        self._sounds = [track for track in tracks.values() if isinstance(track, Sounds)]
        for sound in self._sounds:
            sound.clock.beside, self._pictures[0].clock.beside = self._pictures[0].clock, sound.clock
        self._reports = reports
        self._heard = heard
        self.end: StreamEnded | None = None
        """Why nothing more comes out, once that is so. What came before is good."""
        self._ended: set[int] = set()
        self._pending: list[bytes] = []
        """What came of a frame or message that isn't whole yet."""
        self._pending_bytes = 0
        self._needed_bytes = 1
        """How many bytes of it are worth another look; a frame is whole with them."""
        self._is_frame = False
        self._searched_bytes = 0

    def put_back(self, data: bytes) -> None:
        """What was read before there was anybody to feed; it comes out with what is fed next."""
        self._keep(data)

    @property
    def damaged(self) -> int:
        """Access units and pieces of sound near which something was lost, so far."""
        return sum(track.damaged for track in self._tracks.values())

    def feed(self, data: bytes | bytearray | memoryview) -> list[AccessUnit]:
        """The access units that are complete now. The buffer may be used again.

        Pieces of them lie in it if it is `bytes`, else in a copy.
        """
        if self.end is not None:
            return []
        units: list[AccessUnit] = []
        whole = bytes(data)
        try:
            at = self._complete(whole, units)
            if at < len(whole):
                self._keep(whole[self._take(whole, at, units) :])
        except StreamEnded as error:
            self.end = error
            return units
        for track in self._pictures:
            track.taken(len(whole))
        return units

    def _complete(self, data: bytes, units: list[AccessUnit]) -> int:
        """Take what was begun before and is whole with this; where `data` goes on.

        Only the frame that two reads cut in two is put together, not all that was read.
        """
        at = 0
        while self._pending_bytes:
            missing = self._needed_bytes - self._pending_bytes
            enough = len(data) - at
            is_whole = missing <= enough
            if is_whole and self._is_frame:
                enough = missing
            self._pending.append(data[at : at + enough])
            self._pending_bytes += enough
            at += enough
            if not is_whole:
                break
            joined = b"".join(self._pending)
            self._keep(joined[self._take(joined, 0, units) :])
        return at

    def _keep(self, rest: bytes) -> None:
        """What is not yet whole."""
        self._pending, self._pending_bytes = ([rest], len(rest)) if rest else ([], 0)

    def _take(self, data: bytes, at: int, units: list[AccessUnit]) -> int:
        """Take all that is whole, from `at` on; where the rest begins."""
        view, end, tracks = memoryview(data), len(data), self._tracks
        self._needed_bytes, self._is_frame = 1, False
        while at < end:
            if data[at] != _DOLLAR:
                after = self._between(data, at)
                if after is None:
                    self._needed_bytes = end - at + 1
                    break
                at = after
                continue
            if end - at < _HEAD_BYTES:
                self._needed_bytes, self._is_frame = _HEAD_BYTES, True
                break
            stop = at + _HEAD_BYTES + (data[at + 2] << 8 | data[at + 3])
            if stop > end:
                self._needed_bytes, self._is_frame = stop - at, True
                break
            track = tracks.get(data[at + 1])
            if track is not None:
                at = track.take(data, view, at, end, units)
                continue
            if data[at + 1] in self._reports:
                self._report(data, at + _HEAD_BYTES, stop)
            at = stop
        return at

    def _report(self, data: bytes, start: int, stop: int) -> None:
        channel = data[start - 3]
        track = self._tracks[self._reports[channel]]
        for packet in packets(data, start, stop):
            if isinstance(packet, SenderReport):
                track.clock.reported(packet.ntp, packet.time)
            else:
                self._ended.add(channel)
        for sound in self._sounds:
            sound.clock.follow(self._pictures[0].clock)
        if len(self._ended) == len(self._reports):
            raise StreamEnded("The camera ended the stream.")

    def _between(self, data: bytes, at: int) -> int | None:
        """Takes a message between frames; where it ends. None while it is incomplete."""
        if data[at] in b"\r\n":
            return at + 1
        try:
            found = read_message(data, at)
        except NotRtspError:
            return self._search(data, at)
        if found is None:
            return None
        self._heard(found[0])
        return found[1]

    def _search(self, data: bytes, at: int) -> int | None:
        """Some cameras lose bytes when their network can't keep up: on at the next thing that looks like a frame."""
        found = at
        while (found := data.find(b"$", found + 1)) >= 0:
            if len(data) - found <= _HEAD_BYTES:
                return None
            if data[found + 1] in self._tracks and data[found + _HEAD_BYTES] >> 6 == _RTP_VERSION:
                break
        after = found if found >= 0 else len(data)
        self._searched_bytes += after - at
        if self._searched_bytes > _LONGEST_SEARCH_BYTES:
            raise StreamEnded("The stream broke off: what the camera sends is no RTSP any more.")
        return after
