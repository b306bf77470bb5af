"""What can be wrong with a request, told to whoever made it; the routes' error handlers turn it into an answer."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """What is wrong with one field."""

    field: str
    """Its name as the caller wrote it, with dots into lists and objects: `days_of_week.0`; empty: the whole."""
    message: str


class RefusedError(Exception):
    """A request that is answered with `status` and a sentence for a person."""

    status = 400

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Unauthorized(RefusedError):
    """Nobody known is calling."""

    status = 401


class Forbidden(RefusedError):
    """The caller is known and may not."""

    status = 403


class NotFound(RefusedError):
    """There is no such thing, or not for this caller."""

    status = 404


class Conflict(RefusedError):
    """The request makes sense, but not with what is there now."""

    status = 409


class NotJson(RefusedError):
    """The body does not say that it is JSON: what curl sends without a Content-Type of its own."""

    status = 415


class Invalid(RefusedError):
    """The request makes no sense; each problem names its field."""

    status = 422

    def __init__(self, field: str, message: str, *others: FieldProblem) -> None:
        self.problems = (FieldProblem(field, message), *others)
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in self.problems))

    @classmethod
    def of(cls, problems: Iterable[FieldProblem]) -> "Invalid":
        """All that is wrong at once; there must be something."""
        first, *others = problems
        return cls(first.field, first.message, *others)


class TooMany(RefusedError):
    """Too often: whoever guesses has to wait."""

    status = 429

    def __init__(self, detail: str, *, retry_after_seconds: int) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class Unavailable(RefusedError):
    """Not now: the database or the store can't be reached."""

    status = 503

    def __init__(self, detail: str, *, retry_after_seconds: int = 5) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds
