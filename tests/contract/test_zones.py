"""Names of time zones."""

import pytest

from camfleet_contract.zones import zone


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "EST5EDT"])
def test_names_of_the_iana_database_are_zones(name: str) -> None:
    assert zone(name).key == name


@pytest.mark.parametrize(
    "name",
    ["", " ", "Europe", "America/Argentina", "Nowhere/Atlantis", "../../etc/passwd", "/etc/passwd", "Europe/../UTC",
     "/usr/share/zoneinfo/UTC", "Europe//Berlin", "Europe/Berlin/", "a\0b", "Europe/Berlin\0", "Europe/Berlin\n",
     "\ud800", "x" * 5000, "x/" * 2000, "localtime", "posixrules", "Factory", "right/UTC", "posix/UTC", "Zürich",
     "zone.tab", "tzdata.zi", "+02:00"],
)  # fmt: skip
def test_anything_else_is_refused_with_a_message_for_a_person(name: str) -> None:
    with pytest.raises(ValueError, match=r"not a time zone\. Use a name of the IANA database") as refused:
        zone(name)
    assert len(str(refused.value)) < 300
    assert "\0" not in str(refused.value)
    str(refused.value).encode()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("Berlin", "Europe/Berlin"),
        ("new york", "America/New_York"),
        ("Europe/Berln", "Europe/Berlin"),
        (" Europe/Berlin", "Europe/Berlin"),
        ("EUROPE / BERLIN", "Europe/Berlin"),
    ],
)
def test_the_message_names_the_zone_that_was_probably_meant(written: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean {meant}\\?"):
        zone(written)
