"""The tables of the control plane."""

from control_plane.models.access import ApiKey, ClientToken, Operator, Role
from control_plane.models.base import Base
from control_plane.models.commands import Command
from control_plane.models.coverage import CoverageDay, CoverageNews, Version
from control_plane.models.deletions import BegunDeletion
from control_plane.models.drills import Drill
from control_plane.models.events import Event
from control_plane.models.fleet import Camera, Client, ClientCamera, ClientContact, Schedule, Site
from control_plane.models.footage import ChainHead, Gap, Recording, Segment, SegmentState, StoreHold, UploadSession
from control_plane.models.liveness import BacklogMark, DueWindow, Listener, OpenTrouble
from control_plane.models.logins import Login, LoginEnd, LoginToken, LoginTokenKind
from control_plane.models.uploading import Fetch, FetchEnd

__all__ = [
    "ApiKey",
    "BacklogMark",
    "Base",
    "BegunDeletion",
    "Camera",
    "ChainHead",
    "Client",
    "ClientCamera",
    "ClientContact",
    "ClientToken",
    "Command",
    "CoverageDay",
    "CoverageNews",
    "Drill",
    "DueWindow",
    "Event",
    "Fetch",
    "FetchEnd",
    "Gap",
    "Listener",
    "Login",
    "LoginEnd",
    "LoginToken",
    "LoginTokenKind",
    "OpenTrouble",
    "Operator",
    "Recording",
    "Role",
    "Schedule",
    "Segment",
    "SegmentState",
    "Site",
    "StoreHold",
    "UploadSession",
    "Version",
]
