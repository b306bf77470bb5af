"""Health: what a service answers when asked whether it lives."""

from pydantic import ConfigDict

from camfleet_contract.messages import Message


class Health(Message):
    """The answer to `GET health`, in the predecessor's words."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"status": "healthy", "service": "Local Client API", "version": "5.0.0"}],
        }
    )

    status: str = "healthy"
    service: str = "Local Client API"
    version: str = "5.0.0"
