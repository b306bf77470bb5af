"""How rows are told to the control plane in batches without one bad row holding up the others."""

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import TypeVar

from recorder.errors import CallRefused

T = TypeVar("T")

NO_SUCH_CALL = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED}


async def tell_in_parts(
    rows: Sequence[T],
    tell: Callable[[Sequence[T]], Awaitable[None]],
    give_up: Callable[[T, CallRefused], Awaitable[None]],
) -> None:
    """Tells all rows at once, and halves a batch that is refused as a whole until the bad rows stand alone.

    Raises `CallRefused` where the control plane does not know the call at all.
    """
    try:
        await tell(rows)
    except CallRefused as refusal:
        if refusal.status in NO_SUCH_CALL:
            raise
        if len(rows) == 1:
            await give_up(rows[0], refusal)
            return
        middle = len(rows) // 2
        await tell_in_parts(rows[:middle], tell, give_up)
        await tell_in_parts(rows[middle:], tell, give_up)
