"""The form fields that the console adds to those of WTForms; what a value may be is for the fleet to check."""

import re
from collections.abc import Iterable
from typing import Any

from wtforms import Form, PasswordField, SelectField, SelectMultipleField, StringField
from wtforms.validators import InputRequired

_TIME = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?", re.ASCII)
NEEDED = InputRequired("Is needed.")


class SearchField(SelectField):
    """One object, found by typing a part of its name. `choices` holds only what is chosen; the rest is asked for."""

    def __init__(self, label: str, *, lookup: str, depends_on: str = "", **kwargs: Any) -> None:
        super().__init__(label, choices=[], validate_choice=False, **kwargs)
        self.lookup = lookup
        self.depends_on = depends_on


class SearchManyField(SelectMultipleField):
    """Several objects, found by typing parts of their names."""

    def __init__(self, label: str, *, lookup: str, depends_on: str = "", **kwargs: Any) -> None:
        super().__init__(label, choices=[], validate_choice=False, **kwargs)
        self.lookup = lookup
        self.depends_on = depends_on


class SecretField(PasswordField):
    """Never shown: empty keeps what is stored."""

    has_stored = False
    """Whether something is stored, for the form to say so."""
    stored_text = ""
    """What may be said of it."""


class TimeOfDayField(StringField):
    """A wall-clock time of 24 hours, `HH:MM:SS`; people leave out the seconds, and the zero before the nine."""

    def process_formdata(self, valuelist: Iterable[str]) -> None:
        """Write it as the contract does. What is no time stays as it was typed, for the fleet to refuse."""
        super().process_formdata(list(valuelist))
        if self.data and (found := _TIME.fullmatch(self.data.strip())):
            hours, minutes, seconds = found.groups("00")
            self.data = f"{hours:>02}:{minutes}:{seconds}"


class DaysField(SelectMultipleField):
    """Days of the week, as boxes to tick."""


class DateField(StringField):
    """A date, as the browser's own date picker sends it."""


def show_chosen(form: Form, name: str, choices: list[tuple[str, str]]) -> None:
    """Tell a search field what is chosen in it: ids and labels."""
    field = form[name]
    if isinstance(field, SearchField | SearchManyField):
        field.choices = choices


def say_stored(form: Form, name: str, text: str = "") -> None:
    """Tell a secret's field that one is stored, and what may be said of it."""
    field = form[name]
    if isinstance(field, SecretField):
        field.has_stored, field.stored_text = True, text
