"""Where segments end up: a bucket or a folder, as the control plane needs to see it."""

from control_plane.stores.interface import (
    Examined,
    ListedObject,
    NameTakenError,
    NewUpload,
    NoSuchObjectError,
    OpenedUpload,
    Removal,
    Store,
    StoredObject,
    StoreUnavailableError,
    UploadsNotBrokeredError,
)
from control_plane.stores.opening import open_store

__all__ = [
    "Examined",
    "ListedObject",
    "NameTakenError",
    "NewUpload",
    "NoSuchObjectError",
    "OpenedUpload",
    "Removal",
    "Store",
    "StoreUnavailableError",
    "StoredObject",
    "UploadsNotBrokeredError",
    "open_store",
]
