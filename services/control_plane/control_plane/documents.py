"""The APIs' OpenAPI documents, made without a database."""

import json

from cryptography.fernet import Fernet

from control_plane.database import create_engine, create_sessions
from control_plane.local_client.config_changes import ConfigChanges
from control_plane.main import create_apis
from control_plane.security.secrets import SecretBox
from control_plane.services import Services
from control_plane.settings import Settings
from control_plane.stores.folder import FolderStore


async def openapi_document(name: str) -> str:
    """The document of the API of that name, as JSON."""
    # Nothing of these is used: a document is made from routes and types alone.
    engine = create_engine("postgresql+asyncpg://localhost/none")
    services = Services(
        Settings(_env_file=None),
        engine,
        create_sessions(engine),
        SecretBox(Fernet.generate_key().decode()),
        FolderStore(Settings.model_fields["data_dir"].default),
        ConfigChanges(),
    )
    return json.dumps(create_apis(services)[name].openapi(), indent=2)
