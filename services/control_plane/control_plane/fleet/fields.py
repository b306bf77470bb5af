"""What people may write into the fields of the fleet: one set of rules for the API, the console and the commands."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from camfleet_contract.messages import Text
from control_plane.errors import FieldProblem, Invalid

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _one_line(text: str) -> str:
    trimmed = text.strip()
    if _CONTROL.search(trimmed):
        raise ValueError("must not contain control characters")
    return trimmed


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return text


Line = Annotated[Text, Field(max_length=255), AfterValidator(_one_line)]
"""One line of text; white space around it is dropped."""
FleetName = Annotated[Line, Field(min_length=1), AfterValidator(_not_empty)]
"""A name of a site, client, camera or schedule."""


class Fields(BaseModel):
    """Fields that someone filled in. Only what was given counts, so that a change leaves the rest as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    read_only: ClassVar[frozenset[str]] = frozenset({"id", "created_at", "updated_at"})
    """Fields of answers: an object that was shown may be sent back whole, they are ignored."""
    is_change: ClassVar[bool] = True
    """In a change, what is not given has no default: it stays."""

    def given(self) -> dict[str, Any]:
        """The fields that were filled in."""
        return {name: getattr(self, name) for name in type(self).model_fields if name in self.model_fields_set}

    def everything(self) -> dict[str, Any]:
        """All fields, with the defaults of those that were not filled in."""
        return {name: getattr(self, name) for name in type(self).model_fields}

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Self:
        """The fields from a form's values. Raise Invalid, naming each field that is wrong."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise Invalid.of(_problem(found) for found in error.errors(include_input=False)) from None

    @model_validator(mode="before")
    @classmethod
    def _without_read_only(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {name: value for name, value in data.items() if name not in cls.read_only}
        return data

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        if cls.is_change:
            for described in handler.resolve_ref_schema(schema).get("properties", {}).values():
                described.pop("default", None)
        return schema


def _problem(found: Mapping[str, Any]) -> FieldProblem:
    message = str(found["msg"]).removeprefix("Value error, ")
    return FieldProblem(".".join(str(part) for part in found["loc"]), message)
