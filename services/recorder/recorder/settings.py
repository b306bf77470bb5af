"""The recorder's settings, from the environment or a `.env` file; their names are fixed by the boxes in the field."""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import unquote, urlsplit
from uuid import UUID

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from camfleet_contract.uploading import FASTEST_KBIT, SLOWEST_KBIT, UploadHours, Uploading, read_hours
from recorder.errors import BadSettings

API_PATH = "/v0/api/local-client"


class UploadOrder(StrEnum):
    """Which segment of a backlog goes first."""

    NEWEST = "newest"
    OLDEST = "oldest"


def _api_root(url: str) -> str:
    parts = urlsplit(url.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be the control plane's address, as in https://cctv.example.com")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must be a plain address without user, password, ? or #")
    return url.strip().rstrip("/").removesuffix(API_PATH)


def _storage_url(url: str) -> str:
    url = url.strip()
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in {"", "localhost"} and parts.path.startswith("/"):
        return f"file://{parts.path}"
    if parts.scheme == "gs" and parts.netloc and parts.path in {"", "/"}:
        return f"gs://{parts.netloc}"
    raise ValueError("must be file:///an/absolute/folder or gs://bucket")


class Settings(BaseSettings):
    """Every setting; `deploy/recorder.env.template` says in a line each what they do."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True
    )

    backend_api_url: Annotated[str, AfterValidator(_api_root)]
    client_token: SecretStr
    client_id: UUID | None = None

    recording_base_dir: Path = Path("recordings")
    storage_url: Annotated[str, AfterValidator(_storage_url)] | None = None
    gcp_credentials_path: Path | None = None
    gcp_bucket_name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$")] | None = None
    gcp_project_id: str | None = None

    cleanup_after_upload: bool = True
    keep_local_days: Annotated[float, Field(ge=0, le=3650)] = 1
    keep_unproven_days: Annotated[float, Field(ge=0, le=3650)] = 0
    max_gib_per_camera: Annotated[float, Field(ge=0, le=1_000_000)] = 0
    sync_interval_seconds: Annotated[float, Field(ge=1, le=3600)] = 30
    heartbeat_interval_seconds: Annotated[float, Field(ge=1, le=3600)] = 60
    max_retry_attempts: Annotated[int, Field(ge=1, le=100)] = 5
    max_concurrent_recordings: Annotated[int, Field(ge=0, le=10_000)] = 0

    pre_roll_seconds: Annotated[float, Field(ge=0, le=60)] = 0
    pre_roll_mib: Annotated[int, Field(ge=1, le=65_536)] = 256
    post_roll_seconds: Annotated[float, Field(ge=0, le=600)] = 0

    scene_signals: bool = True

    audio: Literal["copy", "aac", "none"] = "copy"
    rtsp_transport: Literal["tcp", "udp"] = "tcp"
    rtsp_client: Literal["auto", "libav"] = "auto"
    upload_order: UploadOrder = UploadOrder.NEWEST
    upload_parallel: Annotated[int, Field(ge=1, le=64)] = 4
    upload_chunk_mib: Annotated[int, Field(ge=1, le=256)] = 8
    upload_limit_kbit: Annotated[int, Field(ge=SLOWEST_KBIT, le=FASTEST_KBIT)] | None = None
    upload_hours: Annotated[tuple[UploadHours, ...], NoDecode] = ()
    min_free_gib: Annotated[float, Field(ge=0)] = 1
    min_free_percent: Annotated[float, Field(ge=0, le=90)] = 2

    status_host: str = "127.0.0.1"
    status_port: Annotated[int, Field(ge=0, le=65535)] = 8001
    status_allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    secrets_key: SecretStr | None = None
    storage_emulator_host: str | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    log_format: Literal["console", "json"] = "console"

    @field_validator("client_token", mode="after")
    @classmethod
    def _is_a_token(cls, token: SecretStr) -> SecretStr:
        text = token.get_secret_value().strip()
        if not is_token(text):
            raise ValueError("must be the token that the console showed when the client was created")
        return SecretStr(text)

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_capitals(cls, level: object) -> object:
        return level.upper() if isinstance(level, str) else level

    @field_validator("upload_hours", mode="before")
    @classmethod
    def _hours(cls, hours: object) -> object:
        return tuple(read_hours(hours)) if isinstance(hours, str) else hours

    @field_validator("status_allowed_hosts", mode="before")
    @classmethod
    def _split_at_commas(cls, hosts: object) -> object:
        return tuple(host.strip() for host in hosts.split(",") if host.strip()) if isinstance(hosts, str) else hosts

    @model_validator(mode="after")
    def _has_one_way_to_the_bucket(self) -> Self:
        if self.storage_url is None and (self.gcp_credentials_path is None) != (self.gcp_bucket_name is None):
            raise ValueError("GCP_CREDENTIALS_PATH and GCP_BUCKET_NAME belong together: set both, or neither")
        return self

    @property
    def store(self) -> str | None:
        """Where this recorder uploads by itself, `file:///folder` or `gs://bucket`; None if uploads are brokered."""
        if self.storage_url is not None:
            return self.storage_url
        return f"gs://{self.gcp_bucket_name}" if self.gcp_bucket_name is not None else None

    @property
    def site_uploading(self) -> Uploading:
        """What is set here of how fast and when footage may be uploaded."""
        return Uploading(limit_kbit=self.upload_limit_kbit, hours=list(self.upload_hours))

    @property
    def keep_after_stored(self) -> timedelta:
        """How long a file stays once the control plane has proven its copy."""
        return timedelta(0) if self.cleanup_after_upload else timedelta(days=self.keep_local_days)

    @property
    def keep_unproven(self) -> timedelta | None:
        """How long footage stays that was never proven to be uploaded; None as long as there is room."""
        return timedelta(days=self.keep_unproven_days) if self.keep_unproven_days else None

    @property
    def bytes_per_camera(self) -> int | None:
        """What one camera's files may take; None for any."""
        return int(self.max_gib_per_camera * 1024**3) if self.max_gib_per_camera else None


def is_token(text: str) -> bool:
    """Whether a call can carry it in its head."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def store_folder(url: str) -> Path:
    """The folder of a `file://` store."""
    return Path(unquote(urlsplit(url).path))


def read_settings(env_file: Path | None = Path(".env")) -> Settings:
    """The settings, or `BadSettings` naming each bad one and what it should be."""
    try:
        return Settings(_env_file=env_file)
    except ValidationError as error:
        # Built by hand: pydantic's own text shows the values, and one of them is the token.
        raise BadSettings("\n".join(_explained(problem["loc"], problem["msg"]) for problem in error.errors())) from None
    except UnicodeDecodeError:
        raise BadSettings(f"{env_file} is not a text file in UTF-8: write it anew") from None


def _explained(location: tuple[int | str, ...], message: str) -> str:
    name = str(location[0]).upper() if location else ""
    if message == "Field required":
        return (
            f"{name} is not set: put it into the environment or into .env (deploy/recorder.env.template has them all)"
        )
    return f"{name} {message.removeprefix('Value error, ')}".strip()
