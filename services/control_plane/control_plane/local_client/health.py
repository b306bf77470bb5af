"""Whether this API answers, for predecessor clients' start-up check; it asks neither for a token nor the database."""

from fastapi import APIRouter

from camfleet_contract.messages import Message
from control_plane.local_client.version import TITLE, VERSION


class Health(Message):
    """The answer to `GET health`."""

    status: str = "healthy"
    service: str = TITLE
    version: str = VERSION


router = APIRouter(tags=["health"])


@router.get("/health")
async def health() -> Health:
    """Always healthy when it answers. `GET /health/` of the service asks the database too."""
    return Health()
