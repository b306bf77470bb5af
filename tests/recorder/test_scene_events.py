"""From the sizes of a camera's frames to the control plane: what is noticed is kept, told, and told again when over."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import pytest
from PIL import Image, ImageChops
from uuid_utils.compat import uuid7

from camera_simulator import CameraSimulator, CameraSpec
from recorder.cameras import Cameras
from recorder.capturing import Capturing
from recorder.control_plane import ControlPlane
from recorder.offers import Offers
from recorder.reports import Reports
from recorder.scenes.rules import Rules, Signal
from recorder.scenes.tally import Tally
from recorder.scenes.watch import SceneWatch
from recorder.spool import SceneEvent, Spool
from recorder.spool.events import MOST
from recorder.vault import Vault
from tests.recorder.control_plane import FakeControlPlane
from tests.recorder.rig import always, camera, config, running
from tests.recorder.spooled import CAMERA, NOON, SetClock, begun, sealed
from tests.recorder.waiting import until

LATER = NOON + timedelta(hours=1)
SIZE = WIDTH, HEIGHT = 320, 180
FPS = 25
QUICK = Rules(
    learn_every_gops=1,
    least_gops=6,
    least_seconds=2,
    stretch_seconds=0.5,
    confirm={Signal.COVERED: (2, 0.5), Signal.FROZEN: (3, 1.0), Signal.SMART_CODEC: (2, 0.0)},
    clear=(2, 0.5),
)
"""The shipped rules learn for a minute and confirm for ten seconds and more."""


def event(minutes: int = 0, end: datetime | None = None) -> SceneEvent:
    begin = NOON + timedelta(minutes=minutes)
    return SceneEvent(uuid7(), CAMERA, "covered", begin, end, {"keyframe_bytes": 90_000}, {"keyframe_bytes": 4000})


def over(one: SceneEvent) -> SceneEvent:
    return SceneEvent(one.id, one.camera_id, one.kind, one.begin, LATER, one.usual, one.seen)


@pytest.fixture
def reports(control_plane: ControlPlane, data_spool: Spool, vault: Vault) -> Reports:
    clock = SetClock(NOON + timedelta(hours=2))
    offers = Offers(
        control_plane,
        data_spool,
        vault,
        clock=clock,
        next_up=None,
        newest_first=True,
        on_session=lambda: None,
        on_stored=lambda: None,
    )
    return Reports(control_plane, data_spool, offers, clock=clock)


def encoded(path: Path, pictures: Iterator[Image.Image], keyframes_every: int = 15) -> Path:
    """At a fixed quantizer, and always with the same parameter sets: to a recorder it is one stream that changes."""
    with av.open(path, "w", format="mp4") as container:
        options = {"preset": "ultrafast", "qp": "30", "g": str(keyframes_every), "bf": "0"}
        options["x264-params"] = f"keyint={keyframes_every}:min-keyint={keyframes_every}:scenecut=0:threads=1"
        stream = container.add_stream("libx264", FPS, options)
        stream.width, stream.height, stream.pix_fmt, stream.time_base = WIDTH, HEIGHT, "yuv420p", Fraction(1, FPS)
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_image(picture.convert("RGB")).reformat(format="yuv420p")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def street(frames: int, *, is_frozen: bool = False) -> Iterator[Image.Image]:
    ground, noise = Image.effect_noise(SIZE, 60), [Image.effect_noise(SIZE, 6) for _ in range(7)]
    for number in range(frames):
        moved = ImageChops.offset(ground, 0 if is_frozen else number * 3, 0)
        yield ImageChops.add(moved, noise[0 if is_frozen else number % 7], 1, -128)


def dark(frames: int) -> Iterator[Image.Image]:
    noise = [Image.effect_noise(SIZE, 2) for _ in range(7)]
    for number in range(frames):
        yield ImageChops.add(Image.new("L", SIZE, 18), noise[number % 7], 1, -128)


async def test_what_happens_to_a_cameras_picture_is_told_with_its_end(spool: Spool, tmp_path: Path) -> None:
    seen = encoded(tmp_path / "street.mp4", street(75))
    covered = encoded(tmp_path / "dark.mp4", dark(60))
    # Long: x264 signs the first keyframe, so that each round of the loop has one of another size.
    frozen = encoded(tmp_path / "frozen.mp4", street(300, is_frozen=True))
    smart = encoded(tmp_path / "smart.mp4", street(70), keyframes_every=35)
    found: dict[str, SceneEvent] = {}

    def noticed() -> dict[str, SceneEvent]:
        found.update({f"{one.kind} {'over' if one.end else 'on'}": one for one in spool.events.to_report(LATER)})
        return found

    def is_noticed(what: str) -> bool:
        return what in noticed()

    async with CameraSimulator([CameraSpec(name="yard", file=seen)], port=0) as simulator:
        yard = simulator.camera("yard")
        cameras = Cameras(spool, capturing=Capturing(scene_rules=QUICK))
        cameras.apply(config(always(camera(simulator.url("yard")), segment_seconds=60)))
        async with running(cameras):
            await yard.wait_for_sent(150)
            for signal, file in (("covered", covered), ("frozen", frozen), ("smart_codec", smart)):
                changed = datetime.now(UTC)
                await yard.change_media(file=file)
                await until(partial(is_noticed, f"{signal} on"))
                assert [one.kind for one in cameras.scene_signals()] == [signal]
                assert found[f"{signal} on"].begin >= changed - timedelta(seconds=1)
                back = datetime.now(UTC)
                await yard.change_media(file=seen)
                await until(partial(is_noticed, f"{signal} over"))
                assert cameras.scene_signals() == []
                end = found[f"{signal} over"].end
                assert end is not None
                assert end >= back - timedelta(seconds=2)
        assert {unit.viewer for unit in yard.sent(viewer=None)} == {1}, "one connection all the while"
    assert set(found) == {f"{signal} {state}" for signal in Signal for state in ("on", "over")}
    for signal in Signal:
        assert found[f"{signal} on"].id == found[f"{signal} over"].id
    numbers = found["covered over"]
    assert numbers.seen["keyframe_bytes"] < 0.3 * numbers.usual["keyframe_bytes"]
    assert found["smart_codec over"].seen["keyframe_seconds"] == pytest.approx(1.4, abs=0.2)


async def test_without_the_setting_nobody_looks(spool: Spool) -> None:
    cameras = Cameras(spool, capturing=Capturing(scene_rules=None))
    assert cameras.scene_signals() == []
    async with running(cameras):
        pass


async def test_an_event_reaches_the_control_plane_when_it_begins_and_when_it_is_over(
    fake: FakeControlPlane, data_spool: Spool, reports: Reports
) -> None:
    one = event()
    data_spool.events.put([one])
    await reports.drain()
    assert [(told.id, told.end) for told in fake.events] == [(one.id, None)]
    assert not await reports.drain(), "told once"
    data_spool.events.put([over(one)])
    await reports.drain()
    assert [told.end for told in fake.events] == [None, LATER]
    assert fake.events[1].usual == one.usual
    assert not await reports.drain()


class TestWithAnOlderControlPlane:
    @pytest.fixture
    def fake(self) -> FakeControlPlane:
        return FakeControlPlane(has_events=False)

    async def test_everything_else_goes_on(self, fake: FakeControlPlane, data_spool: Spool, reports: Reports) -> None:
        segment = sealed(data_spool, begun(data_spool))
        data_spool.segments.mark_uploaded(segment.id, "name", 1)
        data_spool.events.put([event()])
        await reports.drain()
        assert [offer.id for offer in fake.offers] == [segment.id]
        assert len(fake.registered) == 1
        assert len(data_spool.events.to_report(LATER)) == 1, "it waits for the upgrade"
        await reports.drain()
        assert fake.calls.count("POST /events") == 1, "not asked again at once"


def test_an_end_that_comes_while_the_beginning_is_told_is_told_too(data_spool: Spool) -> None:
    one = event()
    data_spool.events.put([one])
    told = data_spool.events.to_report(LATER)
    data_spool.events.put([over(one)])
    data_spool.events.mark_reported(told)
    assert data_spool.events.to_report(LATER) == [over(one)]
    data_spool.events.mark_reported([over(one)])
    assert data_spool.events.to_report(LATER) == []


def test_what_was_on_when_the_recorder_died_is_over_at_the_next_start(data_spool: Spool) -> None:
    data_spool.mark_alive(LATER)
    told, untold = event(), event(1)
    data_spool.events.put([told, untold])
    data_spool.events.mark_reported([told])
    watch = SceneWatch(data_spool, SetClock(LATER + timedelta(days=2)), lambda: None, every_seconds=0.01)
    watch.close()
    assert {(one.id, one.end) for one in data_spool.events.to_report(LATER)} == {(told.id, LATER), (untold.id, LATER)}


def test_a_recorder_that_stops_ends_what_is_on(data_spool: Spool) -> None:
    clock = SetClock(NOON)
    watch = SceneWatch(data_spool, clock, lambda: None, QUICK, every_seconds=60)
    tally: Tally = watch.tally(CAMERA)
    for second in range(30):
        tally.keyframe(90_000 + second * 100 if second < 20 else 4000, NOON + timedelta(seconds=second), second, None)
    watch.close()
    (one,) = data_spool.events.to_report(LATER)
    assert (one.kind, one.begin, one.end) == (
        "covered",
        NOON + timedelta(seconds=20),
        NOON + timedelta(seconds=29),
    )


def test_without_a_control_plane_that_wants_them_the_oldest_go(data_spool: Spool) -> None:
    first = event(-1)
    data_spool.events.put([first, *(event(number) for number in range(MOST))])
    waiting = data_spool.events.to_report(LATER, limit=2 * MOST)
    assert len(waiting) == MOST
    assert first.id not in {one.id for one in waiting}
