"""The contract's own examples, for the OpenAPI document."""

from typing import Any

from pydantic import BaseModel


def example_of(message: type[BaseModel]) -> Any:
    """The first example that the message's schema carries."""
    return message.model_json_schema()["examples"][0]
