"""Who acts, and how far that reaches: the role, the sites, and of a script's key the scopes."""

import uuid
from dataclasses import dataclass

from control_plane.errors import Forbidden
from control_plane.events import COMMAND_LINE, Actor
from control_plane.models import Role


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller of the operators' API, an operator at the console, or the control plane itself."""

    actor: Actor
    role: Role
    site_ids: frozenset[uuid.UUID] | None = None
    """The only sites that exist for it; None: all, also those that are made later."""
    scopes: frozenset[str] | None = None
    """What a key may be used for, as in `cameras:read`; None: all that its role may."""

    @property
    def is_limited(self) -> bool:
        """Whether there are sites that do not exist for it."""
        return self.site_ids is not None

    def sees(self, site_id: uuid.UUID) -> bool:
        """Whether what belongs to that site exists for it."""
        return self.site_ids is None or site_id in self.site_ids

    def needs(self, role: Role) -> None:
        """Raise Forbidden where its role is not enough."""
        if not self.role.includes(role):
            raise Forbidden(f"This needs the role {role}; yours is {self.role}.")

    def needs_all_sites(self) -> None:
        """Raise Forbidden where it may act at some sites only: what belongs to no site is not its business."""
        if self.is_limited:
            raise Forbidden("This needs an admin of all sites; you may act at some of them only.")


UNLIMITED = Principal(COMMAND_LINE, Role.ADMIN)
"""For what the control plane does by itself, and for commands on its own machine."""
