"""The figures of a trial as tables on the terminal."""

from collections.abc import Sequence
from statistics import median

from rich.console import Console
from rich.table import Table

from trials.accounts import Account
from trials.drain import Drained
from trials.kills import BOUND_SECONDS, Killed
from trials.push import Pushed
from trials.replicas import Replicated
from trials.soak import Soaked

console = Console(highlight=False, soft_wrap=True)
if not console.is_terminal:
    console.width = 160


def show_killed(what: str, killed: Killed) -> None:
    """`what` was done to the recorder; and the cell for docs/reliability.md."""
    table = Table("Camera", title=f"Footage lost per {what}, in seconds")
    for title in ("Times", "Median", "Worst", "Allowed", "Unread at worst"):
        table.add_column(title, justify="right")
    for name in dict.fromkeys(loss.camera for loss in killed.losses):
        losses = [loss for loss in killed.losses if loss.camera == name]
        lost = [loss.lost_seconds for loss in losses]
        allowed = BOUND_SECONDS + losses[0].frame_seconds
        figures = (median(lost), max(lost), allowed, max(loss.unread_seconds for loss in losses))
        table.add_row(name, str(len(lost)), *(f"{figure:.2f}" for figure in figures))
    console.print(table)
    for loss in killed.losses:
        if not loss.holds:
            console.print(
                f"{what} {loss.kill}, {loss.camera}: {loss.lost_seconds:.2f} s lost of {loss.sent_seconds:.2f} s sent, "
                f"{loss.unread_seconds:.2f} s of it unread"
            )
    show_accounts(killed.accounts)
    console.print(
        f"{killed.segments} segments, {killed.objects} objects, {killed.unproven} of them unproven; "
        f"left on disk: {', '.join(killed.orphans) or 'nothing that should not be there'}"
    )
    console.print(
        f"median {killed.median_seconds:.2f} s, worst {killed.worst_seconds:.2f} s per {what} and camera: "
        + ("holds" if killed.holds else "DOES NOT HOLD")
    )


def show_pushed(pushed: Pushed) -> None:
    """What the edits took, and what the waiting costs."""
    console.print(
        f"{pushed.arrived} of {pushed.edits} edits arrived: median {pushed.median_ms} ms, 95 % within {pushed.p95_ms}, "
        f"worst {pushed.worst_ms}; {pushed.news_for_nobody} documents went to recorders that nobody had edited"
    )
    console.print(
        f"{pushed.recorders} recorders waited on {pushed.replicas} replicas: {pushed.memory_per_waiting_kb} kB each, "
        f"{pushed.memory_of_a_replica_mb} MB a replica, {pushed.processor_while_waiting:.1%} of a processor meanwhile: "
        + ("holds" if pushed.holds else "DOES NOT HOLD")
    )


def show_replicated(replicated: Replicated) -> None:
    """The ticks of each periodic job, and what became of the killed replica's jobs."""
    table = Table("Periodic job", title="Ticks, by the jobs that the queue kept")
    for title in ("Due", "Written down", "Jobs"):
        table.add_column(title, justify="right")
    for one in replicated.ticks:
        table.add_row(one.job, str(one.expected), str(one.ticks), str(one.jobs))
    console.print(table)
    console.print(
        f"{replicated.jobs} jobs, {replicated.started_once} of them started once; "
        f"the killed one had {replicated.left_by_the_killed} in hand, {replicated.taken_over} of them were taken over, "
        f"the last {replicated.slowest_takeover_seconds:.1f} s after the kill"
    )
    console.print(
        f"{replicated.deleted_segments} segments deleted, {replicated.segments_in_audit} by audit events, "
        f"{replicated.old_segments_left} left; {replicated.files_left} files left, {replicated.held_segments} held; "
        f"{replicated.heartbeats} heartbeats, the slowest {replicated.worst_heartbeat_seconds:.2f} s"
    )
    for what in (*replicated.started_again_for_no_reason, *replicated.not_done):
        console.print(f"not as it should be: {what}")
    console.print("holds" if replicated.holds else "DOES NOT HOLD")


def show_drained(drains: Sequence[Drained]) -> None:
    """Each way, and everything that isn't as promised."""
    table = Table("Store", title="A backlog drained under kill -9")
    for title in ("Segments", "Kills", "Seconds", "Bytes sent", "Sessions", "Offers"):
        table.add_column(title, justify="right")
    table.add_column("Holds")
    for one in drains:
        figures = (one.segments, sum(one.kills.values()), round(one.seconds))
        sent = f"{one.sent_share:.1%}" if one.sessions else "-"
        held = "yes" if one.holds else "NO"
        table.add_row(one.way, *map(str, figures), sent, str(one.sessions), str(one.offers), held)
    console.print(table)
    for one in drains:
        for fault in one.faults:
            console.print(f"{one.way}: {fault}")


def show_soaked(soaked: Soaked) -> None:
    """Every camera's account, and what else must be in order."""
    console.print("faults: " + ", ".join(f"{name} {count}" for name, count in soaked.faults.items()))
    show_accounts(soaked.accounts)
    console.print(
        f"{soaked.segments} segments, {soaked.objects} objects, {soaked.unproven} of them unproven; "
        f"left on disk: {', '.join(soaked.orphans) or 'nothing that should not be there'}"
    )
    due, recorded, missing = (
        sum(getattr(one, name) for one in soaked.accounts) for name in ("due", "recorded", "missing")
    )
    console.print(
        f"due {due:.1f} s = recorded {recorded:.1f} s + gaps {missing:.1f} s + {due - recorded - missing:.1f} s: "
        + ("holds" if soaked.holds else "DOES NOT HOLD")
    )


def show_accounts(accounts: Sequence[Account]) -> None:
    """Due time against footage and gaps."""
    table = Table("Camera", title="Seconds, as the control plane has them")
    for title in ("Due", "Recorded", "Gaps", "Error", "Both", "Unexplained", "Longest hole", "Hollow", "Events"):
        table.add_column(title, justify="right")
    table.add_column("Causes")
    table.add_column("Holds")
    for one in accounts:
        seconds = (
            one.due,
            one.recorded,
            one.missing,
            one.error,
            one.doubled,
            one.unexplained,
            one.worst_hole,
            one.hollow,
        )
        table.add_row(
            one.name,
            *(f"{value:.2f}" for value in seconds),
            str(one.events),
            ", ".join(f"{cause} {value:.1f}" for cause, value in sorted(one.causes.items())),
            "yes" if one.holds else "NO",
        )
    console.print(table)
    for one in accounts:
        for line in one.odd:
            console.print(f"{one.name}: {line}")
