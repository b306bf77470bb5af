"""The console's own pages and actions, beside lists, details and forms: where each of them is."""

from typing import TYPE_CHECKING

from starlette.routing import Route

from control_plane.console.accounts import AccountPages
from control_plane.console.commands import CommandActions
from control_plane.console.exports import ExportActions
from control_plane.console.fetches import FetchActions
from control_plane.console.holds import HoldActions
from control_plane.console.keys import KeyPages
from control_plane.console.previews import SchedulePreviews
from control_plane.console.tokens import TokenPages
from control_plane.console.watching import WatchActions

if TYPE_CHECKING:
    from control_plane.console.admin import Console


def own_pages(console: "Console") -> list[Route]:
    """What changes something is there by POST only."""
    both = ["GET", "POST"]
    accounts, tokens, keys = AccountPages(console), TokenPages(console), KeyPages(console)
    holds, fetches, exports = HoldActions(console), FetchActions(console), ExportActions(console)
    commands = CommandActions(console)
    return [
        Route("/account", accounts.account, name="account", methods=both),
        Route("/client/{pk}/token", tokens.show, name="token"),
        Route("/client/{pk}/rotate-token", tokens.rotate, name="rotate_token", methods=["POST"]),
        Route("/client/{pk}/revoke-tokens", tokens.revoke, name="revoke_tokens", methods=["POST"]),
        Route("/api-key/{pk}/once", keys.show, name="api_key_once"),
        Route("/api-key/{pk}/revoke", keys.revoke, name="revoke_api_key", methods=["POST"]),
        Route("/operator/{pk}/end-sessions", accounts.end_sessions_of, name="end_sessions", methods=["POST"]),
        Route("/account/end-sessions", accounts.end_own_sessions, name="end_own_sessions", methods=["POST"]),
        Route("/recording/{pk}/hold", holds.hold, name="hold_recording", methods=["POST"]),
        Route("/recording/{pk}/release", holds.release, name="release_recording", methods=["POST"]),
        Route("/recording/{pk}/watch", WatchActions(console).watch, name="watch_recording", methods=["POST"]),
        Route("/recording/{pk}/export", exports.export, name="export_recording", methods=["POST"]),
        Route("/recording/{pk}/fetch", fetches.of_recording, name="fetch_recording", methods=["POST"]),
        Route("/camera/{pk}/fetch", fetches.of_camera, name="fetch_interval", methods=["POST"]),
        Route("/fetch/{pk}/cancel", fetches.cancel, name="cancel_fetch", methods=["POST"]),
        Route("/camera/{pk}/ask/{what}", commands.of_camera, name="command_camera", methods=["POST"]),
        Route("/client/{pk}/restart", commands.restart, name="restart_client", methods=["POST"]),
        Route("/client/{pk}/deliver-token", commands.deliver_token, name="deliver_token", methods=["POST"]),
        Route("/command/{pk}/state", commands.state, name="command_state"),
        Route("/command/{pk}/picture", commands.picture, name="command_picture"),
        Route("/schedule/preview", SchedulePreviews(console).preview, name="preview_schedule", methods=["POST"]),
    ]
