"""The `.env` of a recorder: what an operator copies to the box when its client was made."""

import uuid

from control_plane.settings import Settings


def recorder_env(settings: Settings, base_url: str, client_id: uuid.UUID, token: str) -> str:
    """The file's text. `base_url` is where the operator reached the control plane, unless `public_url` is set.

    BACKEND_API_URL has no path: predecessor clients append `/v0/api/local-client/...` themselves.
    """
    lines = [
        f"BACKEND_API_URL={(settings.public_url or base_url).rstrip('/')}",
        f"CLIENT_TOKEN={token}",
        f"CLIENT_ID={client_id}",
    ]
    if folder := _shared_folder(settings):
        lines += [
            "# The control plane keeps footage in a folder: it must be reachable under this path on the recorder too.",
            f"STORAGE_URL={folder}",
        ]
    return "\n".join(lines) + "\n"


def _shared_folder(settings: Settings) -> str:
    if not settings.storage_url:
        return (settings.data_dir / "bucket").resolve().as_uri()
    return settings.storage_url if settings.storage_url.startswith("file:") else ""
