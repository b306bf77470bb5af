"""The documents in `docs/openapi/` are those that the service serves: `make openapi` writes them anew."""

import json
from pathlib import Path

import pytest

from control_plane.main import create_apis
from control_plane.services import Services

FOLDER = Path(__file__).parents[2] / "docs" / "openapi"


@pytest.mark.parametrize("name", ["cctv", "local-client"])
def test_the_committed_document_is_the_served_one(services: Services, name: str) -> None:
    assert json.loads((FOLDER / f"{name}.json").read_text()) == create_apis(services)[name].openapi()


def test_there_is_one_document_for_each_api(services: Services) -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == set(create_apis(services))
