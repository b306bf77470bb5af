"""How values are written for people: times in the site's zone, ages, sizes, badges."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from markupsafe import Markup

from camfleet_contract.zones import zone

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_THOUSAND = 1000
_PARTS_COUNT = 10


def zone_or_utc(name: str) -> ZoneInfo:
    """The zone, or UTC where this machine does not know the name: a page must not fail for it."""
    try:
        return zone(name)
    except ValueError:
        return ZoneInfo("UTC")


def moment(at: datetime | None, zone_name: str = "UTC") -> Markup:
    """An instant in the zone of its site; UTC shows on hovering."""
    if at is None:
        return nothing()
    local = at.astimezone(zone_or_utc(zone_name))
    return Markup('<time datetime="{}" title="{}">{} <span class="text-secondary">{}</span></time>').format(
        at.astimezone(UTC).isoformat(),
        f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC",
        f"{local:%Y-%m-%d %H:%M:%S}",
        local.tzname() or zone_name,
    )


def ago(at: datetime | None, now: datetime, zone_name: str = "UTC", *, never: str = "never") -> Markup:
    """How long ago, with the exact time on hovering."""
    if at is None:
        return Markup('<span class="text-secondary">{}</span>').format(never)
    local = at.astimezone(zone_or_utc(zone_name))
    return Markup('<time datetime="{}" title="{}">{} ago</time>').format(
        at.astimezone(UTC).isoformat(),
        f"{local:%Y-%m-%d %H:%M:%S} {local.tzname()}",
        duration(now - at),
    )


def duration(length: timedelta) -> str:
    """Two units at most: `45 s`, `3 min`, `2 h 5 min`, `3 d 4 h`."""
    seconds = max(0, round(length.total_seconds()))
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        minutes, rest = divmod(seconds, _MINUTE)
        return f"{minutes} min" + (f" {rest} s" if rest else "")
    if seconds < _DAY:
        hours, rest = divmod(seconds, _HOUR)
        return f"{hours} h" + (f" {rest // _MINUTE} min" if rest >= _MINUTE else "")
    days, rest = divmod(seconds, _DAY)
    return f"{days} d" + (f" {rest // _HOUR} h" if rest >= _HOUR else "")


def seconds(length: timedelta) -> str:
    """A length where a part of a second counts: `0.4 s`; longer ones as `duration` writes them."""
    return f"{length.total_seconds():.1f} s" if length.total_seconds() < _PARTS_COUNT else duration(length)


def size(count: int | None) -> str:
    """Bytes in decimal units, as disks and buckets count."""
    if count is None:
        return "–"
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < _THOUSAND:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= _THOUSAND
    return f"{value:.1f} TB"


def bits(bytes_per_second: float | None) -> str:
    """A rate as uplinks are sold: `2.0 Mbit/s`."""
    if bytes_per_second is None:
        return "–"
    kbit = bytes_per_second * 8 / _THOUSAND
    return f"{kbit:.0f} kbit/s" if kbit < _THOUSAND else f"{kbit / _THOUSAND:.1f} Mbit/s"


def badge(text: str, colour: str) -> Markup:
    """A coloured word."""
    return Markup('<span class="badge bg-{}-lt">{}</span>').format(colour, text)


def dot(text: str, colour: str) -> Markup:
    """A state: a coloured dot and the word, so that colour alone never carries the meaning."""
    return Markup('<span class="status status-{}"><span class="status-dot"></span>{}</span>').format(colour, text)


def nothing() -> Markup:
    """What stands where there is no value."""
    return Markup('<span class="text-secondary">–</span>')


def link(url: object, text: object) -> Markup:
    """A link to a page of the console."""
    return Markup('<a href="{}">{}</a>').format(str(url), str(text))


def words(name: str) -> str:
    """An identifier as words: `camera_unreachable` becomes `camera unreachable`."""
    return name.replace("_", " ")


def code(text: object) -> Markup:
    """Something to be read letter by letter."""
    return Markup("<code>{}</code>").format(str(text))
