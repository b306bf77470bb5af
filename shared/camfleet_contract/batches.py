"""Batches whose items are read one by one, so that a bad item does not hold up the others."""

from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_args
from uuid import UUID

from pydantic import GetCoreSchemaHandler, ValidationError, ValidatorFunctionWrapHandler
from pydantic_core import CoreSchema, core_schema

T = TypeVar("T")

_PROBLEMS_TOLD = 5


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An item that makes no sense to this version; what a newer recorder sends may make sense to a newer version."""

    id: UUID | None
    """The item's own, where at least that can be read."""
    reason: str
    """What is wrong, for a person; without what was sent."""


class _OneByOne:
    """Reads `Item | Unreadable`. The JSON schema is the item's: nobody is meant to send the other."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        item, _ = get_args(source)
        return core_schema.no_info_wrap_validator_function(_read, handler.generate_schema(item))


def _read(item: Any, read: ValidatorFunctionWrapHandler) -> Any:
    try:
        return read(item)
    except ValidationError as error:
        return Unreadable(_id_of(item), _reason(error))


def _id_of(item: Any) -> UUID | None:
    try:
        return UUID(str(item["id"]))
    except (TypeError, KeyError, IndexError, ValueError):
        return None


def _reason(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}".removeprefix(": ")
        for problem in problems[:_PROBLEMS_TOLD]
    )


OrUnreadable = Annotated[T | Unreadable, _OneByOne()]
"""One item of a batch. A batch that is refused as a whole would be repeated for ever for the sake of one."""
