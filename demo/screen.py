"""What the demo shows: a live table on a terminal, a line now and then elsewhere."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from demo.proof import CameraSummary
from demo.ready import RecorderStatus

_SECONDS_BETWEEN_LINES = 10.0


class Screen:
    """The table while the demo runs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._last_line = 0.0
        self.reasons: dict[str, str] = {}
        """By camera id: what was last said to be wrong with it."""

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def note(self, text: str) -> None:
        """Say something above the table."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def show(self, lines: list[tuple[str, CameraSummary]], status: RecorderStatus) -> None:
        """Show the figures so far; `lines` are (camera id, figures)."""
        self.reasons |= status.reasons
        if self._live is not None:
            self._live.update(_live_table(lines, status), refresh=True)
        elif time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            for camera_id, line in lines:
                self._console.print(
                    f"{line.name}: {_state(camera_id, status)}, due {line.seconds_due:.0f} s, "
                    f"stored {line.seconds_recorded:.0f} s in {line.segments_stored} segments",
                    highlight=False,
                    soft_wrap=True,
                )


def print_summary(console: Console, summary: list[CameraSummary], *, ok: bool) -> None:
    """The table at the end."""
    table = Table(title="Summary", title_justify="left")
    table.add_column("Camera")
    for title in ("Due s", "Recorded s", "Recorded %", "Segments stored", "Segments verified"):
        table.add_column(title, justify="right")
    for line in summary:
        share = f"{100 * line.seconds_recorded / line.seconds_due:.1f}" if line.seconds_due else "-"
        table.add_row(
            line.name,
            f"{line.seconds_due:.1f}",
            f"{line.seconds_recorded:.1f}",
            share,
            str(line.segments_stored),
            str(line.segments_verified),
        )
    console.print(table)
    console.print(
        "[green]Recorded, uploaded and verified.[/]" if ok else "[red]Footage is missing or could not be verified.[/]"
    )


def _live_table(lines: list[tuple[str, CameraSummary]], status: RecorderStatus) -> Table:
    table = Table(caption=f"waiting for upload: {status.backlog_segments} segments", caption_justify="left")
    table.add_column("Camera")
    table.add_column("State")
    for title in ("Due s", "Stored s", "Segments stored"):
        table.add_column(title, justify="right")
    for camera_id, line in lines:
        table.add_row(
            line.name,
            _state(camera_id, status),
            f"{line.seconds_due:.0f}",
            f"{line.seconds_recorded:.0f}",
            str(line.segments_stored),
        )
    return table


def _state(camera_id: str, status: RecorderStatus) -> str:
    condition = status.conditions.get(camera_id, "unknown")
    reason = status.reasons.get(camera_id)
    return escape(f"{condition} ({reason})" if reason else condition)
