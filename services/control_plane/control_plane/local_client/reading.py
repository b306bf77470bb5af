"""The newest documents of a caller: remembered or read, at once or as soon as they change."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from enum import Enum, auto

from starlette.exceptions import HTTPException
from starlette.types import Receive

from control_plane.local_client.config_changes import Change
from control_plane.local_client.configuration import read_assigned
from control_plane.local_client.etags import is_unchanged
from control_plane.local_client.identities import Caller
from control_plane.local_client.rendered import Document, Rendered
from control_plane.services import Services

LONGEST_WAIT_SECONDS = 60
# One edit is often several rows: let them all come before the document is put together anew.
_DEBOUNCE_SECONDS = 0.02


class _End(Enum):
    CHANGED = auto()
    TIME_OVER = auto()
    CALLER_GONE = auto()


async def newest_documents(shared: Services, caller: Caller) -> Rendered:
    """What the caller is told now. Raises as `read_assigned`."""
    with shared.config_changes.watch(caller.client_id) as changed:
        return await _newest(shared, caller, changed)


async def newest_config(
    shared: Services,
    caller: Caller,
    if_none_match: list[str],
    wait_seconds: float,
    receive: Receive,
    identify_again: Callable[[], Awaitable[Caller]],
) -> Document:
    """The configuration: at once if it is news to the caller, else when it changes, or the time is over.

    `identify_again` raises if the caller may not be told any more. Raises as `read_assigned`.
    """
    deadline = asyncio.get_running_loop().time() + wait_seconds
    # Watched before it is read: a change in between is heard. Nothing of the database is held while waiting.
    with shared.config_changes.watch(caller.client_id) as changed:
        while True:
            changed.clear()
            newest = (await _newest(shared, caller, changed)).config
            is_news = not is_unchanged(newest.etag, if_none_match)
            if is_news or not wait_seconds or shared.config_changes.is_closed:
                return newest
            if await _until_changed(receive, changed, deadline) is not _End.CHANGED:
                return newest
            await asyncio.sleep(_DEBOUNCE_SECONDS)
            # The wait may have been long: the token may be revoked by now.
            caller = await identify_again()


async def newest_revision(shared: Services, client_id: uuid.UUID) -> str:
    """The revision of the configuration. Raises as `read_assigned`."""
    with shared.config_changes.watch(client_id) as changed:
        return (await _read(shared, client_id, changed)).revision


async def _newest(shared: Services, caller: Caller, changed: Change) -> Rendered:
    if caller.has_newest_news and (known := shared.config_changes.newest(caller.client_id)):
        return known
    # A few at a time: when a site's zone is edited, thousands wake at once, and would starve all other calls.
    async with shared.config_changes.reading_turn:
        if caller.has_newest_news and (known := shared.config_changes.newest(caller.client_id)):
            return known  # it was read for another call meanwhile
        return await _read(shared, caller.client_id, changed)


async def _read(shared: Services, client_id: uuid.UUID, changed: Change) -> Rendered:
    async with shared.sessions.begin() as session:
        rendered = Rendered.of(await read_assigned(session, shared.secrets, client_id), shared.store)
    shared.config_changes.remember(client_id, rendered, changed)
    return rendered


async def _until_changed(receive: Receive, changed: Change, deadline: float) -> _End:
    """Wait in the one task that the request has anyway: ten thousand recorders wait like this."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout_at(deadline) as limit:

            def wake() -> None:
                if not limit.expired():
                    limit.reschedule(loop.time())

            changed.wake = wake
            if changed.is_set():
                wake()
            # A recorder on a bad link calls again and again: a call that it gave up would wait on for nobody.
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return _End.CHANGED if changed.is_set() else _End.TIME_OVER
    except HTTPException:
        return _End.CALLER_GONE  # whoever sends a body that is too big with a GET is not waited for either
    else:
        return _End.CALLER_GONE
    finally:
        changed.wake = None
