"""What each role may do in the console."""

from typing import Any

from sqladmin.authorization import Action, AuthorizationBackend
from starlette.requests import Request

from control_plane.models import Operator, Role

_READING = {Action.LIST, Action.DETAILS}
# Whoever may read sees these; what an operator may change beyond reading, and what only an admin may.
_OPERATORS_CHANGE = {"camera", "schedule"}
_OPERATORS_ACTIONS = {
    ("client", str(Action.EDIT)),
    ("recording", "hold"),
    ("recording", "fetch"),
    ("recording", "export"),
}
_ADMINS_ONLY = {"operator", "api-key"}
_NOT_AT_A_SITE = {("site", str(Action.CREATE))}


def may(role: Role, identity: str, action: str) -> bool:
    """Whether `role` may do `action` on the objects of `identity`.

    Operators change cameras, schedules, which cameras a client records and how it uploads, and hold, fetch
    and export recordings; sites, clients, tokens, operators and keys are an admin's.
    """
    if identity in _ADMINS_ONLY:
        needed = Role.ADMIN
    elif action in _READING:
        needed = Role.VIEWER
    elif identity in _OPERATORS_CHANGE or (identity, str(action)) in _OPERATORS_ACTIONS:
        needed = Role.OPERATOR
    else:
        needed = Role.ADMIN
    return role.includes(needed)


def permits(operator: Operator, identity: str, action: str) -> bool:
    """Whether that operator may: what belongs to no site, only one who is limited to none."""
    is_everywhere = identity in _ADMINS_ONLY or (identity, str(action)) in _NOT_AT_A_SITE
    return may(operator.role, identity, action) and not (is_everywhere and operator.site_ids is not None)


class Roles(AuthorizationBackend):
    """Asks the signed-in operator's role. No operator, no permission."""

    def has_permission(
        self,
        request: Request,
        identity: str,
        action: str,
        obj: Any | None = None,  # noqa: ARG002 - SQLAdmin's signature; roles don't depend on the object
    ) -> bool:
        """Whether the signed-in operator may."""
        operator: Operator | None = getattr(request.state, "operator", None)
        return operator is not None and permits(operator, identity, str(action))
