"""Settings: read as the field writes them, explained when they can't be used."""

import itertools
import re
from pathlib import Path

import pytest

from recorder.errors import BadSettings
from recorder.settings import Settings, read_settings

TOKEN = "t0ken-that-nobody-may-see"
TEMPLATE = Path(__file__).parents[2] / "deploy" / "recorder.env.template"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def written(folder: Path, *lines: str) -> Path:
    file = folder / ".env"
    file.write_text("\n".join(lines) + "\n")
    return file


def test_a_predecessors_env_file_is_understood(tmp_path: Path) -> None:
    settings = read_settings(
        written(
            tmp_path,
            "BACKEND_API_URL=https://cctv.example.com/",
            f"CLIENT_TOKEN={TOKEN}",
            "CLIENT_ID=",
            "GCP_BUCKET_NAME=",
            "RECORDING_BASE_DIR=/srv/recordings",
            "CLEANUP_AFTER_UPLOAD=True",
            "KEEP_LOCAL_DAYS=7",
            "LOG_LEVEL=debug",
            "SOMETHING_ELSE=1",
        )
    )
    assert settings.backend_api_url == "https://cctv.example.com"
    assert settings.log_level == "DEBUG"
    assert settings.store is None
    assert settings.keep_after_stored.total_seconds() == 0


@pytest.mark.parametrize("suffix", ["", "/", "/v0/api/local-client", "/v0/api/local-client/"])
def test_the_address_may_end_with_the_path_of_the_api(tmp_path: Path, suffix: str) -> None:
    file = written(tmp_path, f"BACKEND_API_URL=http://10.0.0.1:8000{suffix}", f"CLIENT_TOKEN={TOKEN}")
    assert read_settings(file).backend_api_url == "http://10.0.0.1:8000"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("BACKEND_API_URL=cctv.example.com", "BACKEND_API_URL must be the control plane's address"),
        ("BACKEND_API_URL=", "BACKEND_API_URL is not set"),
        ("CLIENT_TOKEN=", "CLIENT_TOKEN is not set"),
        ("CLIENT_TOKEN=two words", "CLIENT_TOKEN must be the token"),
        ("STORAGE_URL=s3://bucket", "STORAGE_URL must be file:///an/absolute/folder or gs://bucket"),
        ("STORAGE_URL=file://relative/folder", "STORAGE_URL must be file"),
        ("GCP_BUCKET_NAME=footage", "GCP_CREDENTIALS_PATH and GCP_BUCKET_NAME belong together"),
        ("STATUS_PORT=99999", "STATUS_PORT"),
        ("KEEP_LOCAL_DAYS=soon", "KEEP_LOCAL_DAYS"),
        ("CLIENT_ID=box-7", "CLIENT_ID"),
        ("AUDIO=loud", "AUDIO"),
    ],
)
def test_a_bad_setting_is_named_with_what_to_do(tmp_path: Path, line: str, told: str) -> None:
    good = {"BACKEND_API_URL": "https://cctv.example.com", "CLIENT_TOKEN": TOKEN}
    name, value = line.split("=", 1)
    file = written(tmp_path, *[f"{key}={held}" for key, held in (good | {name: value}).items()])
    with pytest.raises(BadSettings) as caught:
        read_settings(file)
    assert told in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_no_way_of_printing_settings_shows_a_secret(tmp_path: Path) -> None:
    file = written(tmp_path, "BACKEND_API_URL=http://x.example", f"CLIENT_TOKEN={TOKEN}", f"SECRETS_KEY={TOKEN}")
    settings = read_settings(file)
    for shown in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert TOKEN not in shown


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"\xff\xfe\x00B")
    with pytest.raises(BadSettings, match="UTF-8"):
        read_settings(file)


def test_the_template_has_every_setting_and_no_other() -> None:
    named = set(re.findall(r"^#? ?([A-Z][A-Z0-9_]*)=", TEMPLATE.read_text(), re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}


def test_the_template_explains_every_setting() -> None:
    lines = TEMPLATE.read_text().splitlines()
    for before, line in itertools.pairwise(lines):
        if re.match(r"#? ?[A-Z][A-Z0-9_]*=", line):
            assert re.match(r"# [A-Za-z`]", before), f"{line} has no line that says what it does"
            assert not re.match(r"#? ?[A-Z][A-Z0-9_]*=", before)
