"""The control plane's settings, read once from the environment or `.env`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _between_commas(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _in_capitals(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class Settings(BaseSettings):
    """Every setting; `deploy/control-plane.env.template` explains each."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True
    )

    database_url: SecretStr | None = None
    """`postgresql+asyncpg://...`; without it an embedded PostgreSQL runs in `data_dir`."""
    data_dir: Path = Path("./data")
    """For the embedded database, and for the key that is made when `secret_keys` is not set."""
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    secret_keys: SecretStr | None = None
    """Comma-separated Fernet keys: the first encrypts, all decrypt."""
    storage_url: str = ""
    """`gs://bucket` or `file:///folder`; empty: `data_dir`/bucket."""
    retention_days: Annotated[int, Field(ge=0, le=36_500)] = 0
    """Days after which footage in the store is deleted, of cameras without days of their own; 0: never."""
    drill_samples: Annotated[int, Field(ge=0, le=1000)] = 20
    """Stored segments that are fetched and read once a day, to see that they can be restored; 0: none."""
    gcp_credentials_path: Path | None = None
    public_url: str = ""
    """How recorders and browsers reach this service, for the `.env` snippet; empty: as the browser did."""
    database_pool_size: Annotated[int, Field(ge=1, le=200)] = 10
    statement_timeout_seconds: Annotated[float, Field(gt=0)] = 10.0
    max_body_bytes: Annotated[int, Field(ge=1024)] = 4 * 1024 * 1024
    background_jobs: bool = True
    """Whether this process does its share of the background work; without it, `control-plane work` does."""
    session_hours: Annotated[float, Field(gt=0)] = 12.0
    """How long an operator's login lasts."""
    trusted_proxies: Annotated[list[str], NoDecode, BeforeValidator(_between_commas)] = []
    """Addresses whose X-Forwarded-For and -Proto are believed; comma-separated."""
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_in_capitals)] = "INFO"
    log_format: Literal["console", "json"] = "console"
