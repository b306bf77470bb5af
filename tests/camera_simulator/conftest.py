"""A cache that the whole run shares: media is generated once."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def media_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("media")
