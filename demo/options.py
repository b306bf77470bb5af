"""Which values of the demo's options are refused, before anything is started."""

from pathlib import Path
from urllib.parse import urlsplit

import typer


def stream_address(url: str | None) -> str | None:
    """Refuse what can't be a camera's address before anything is started."""
    if url is not None and not (urlsplit(url).scheme in {"rtsp", "rtsps"} and urlsplit(url).netloc):
        raise typer.BadParameter("a camera's address begins with rtsp:// (or rtsps://) and names its host")
    return url


def writable(file: Path | None) -> Path | None:
    """Refuse a file that can't be written before anything is started."""
    if file is not None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.open("a").close()
        except OSError as error:
            raise typer.BadParameter(f"{file} can't be written: {error.strerror}") from None
    return file
