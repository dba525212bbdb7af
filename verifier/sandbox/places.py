"""Where what sandboxes must reach lies on the host.

A sandbox's uid cannot enter a 0700 home. So as root everything that is mounted into sandboxes lies
under /var/lib/autolab (0711: passable, not listable), in one folder for each state directory; an
ordinary user's sandboxes run under their own uid and use the state directory. A mount's source can
be read inside (in /proc/self/mountinfo), so the names below say nothing about task or session.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import stat
from pathlib import Path

_SYSTEM = Path("/var/lib/autolab")
_SKIPPED = ("__pycache__", ".git")


def root(state_dir: Path) -> Path:
    """The folder for mounted things of this state directory; made when it is not there."""
    if os.geteuid() == 0:
        name = hashlib.sha256(os.fsencode(state_dir.resolve())).hexdigest()[:12]
        place = _SYSTEM / name
        for folder in (_SYSTEM, place):
            _make_passable(folder)
    else:
        place = state_dir / "places"
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
    return place


def _make_passable(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != 0:
        raise PermissionError(f"{folder} is not a folder of root's; remove it and try again")
    folder.chmod(0o711)


def make_workspace(state_dir: Path, source: Path, uid: int) -> Path:
    """Copy `source` to a new folder that belongs to `uid` and return the folder.

    Regular files, folders and symbolic links are copied (links as links, never followed);
    `__pycache__` and `.git` are left out. Modification times are those of the copy. Raises
    `ValueError` for anything else (a device, a socket) and `OSError` when it cannot be written.
    """
    place = root(state_dir) / secrets.token_hex(6)
    try:
        _copy(source, place, uid)
    except BaseException:
        remove(place)
        raise
    return place


def _copy(source: Path, target: Path, uid: int) -> None:
    mode = source.lstat().st_mode
    if stat.S_ISLNK(mode):
        target.symlink_to(source.readlink())
    elif stat.S_ISREG(mode):
        shutil.copyfile(source, target, follow_symlinks=False)
        target.chmod(0o755 if mode & 0o100 else 0o644)
    elif stat.S_ISDIR(mode):
        target.mkdir(mode=0o755)
        for entry in sorted(source.iterdir()):
            if entry.name not in _SKIPPED:
                _copy(entry, target / entry.name, uid)
    else:
        raise ValueError(f"{source} is neither a file, a folder nor a link; a task has no others")
    _give(target, uid)


def _give(path: Path, uid: int) -> None:
    if os.geteuid() == 0:
        os.chown(path, uid, uid, follow_symlinks=False)


def every(state_dir: Path) -> list[Path]:
    """Every workspace of this state directory that there is."""
    return [entry for entry in root(state_dir).iterdir() if entry.is_dir()]


def make_door(workspace: Path) -> Path:
    """A folder beside a workspace for a socket that its sandbox may reach; ours, not its uid's."""
    door = workspace.with_name(f"{workspace.name}.model")
    door.mkdir(exist_ok=True)
    door.chmod(0o711 if os.geteuid() == 0 else 0o700)
    return door


def remove(place: Path) -> None:
    """Delete a workspace, whatever modes its files were given inside. Links are not followed."""

    if place.is_symlink() or not place.is_dir():
        return
    if os.geteuid() != 0:
        _open_up(place)
    shutil.rmtree(place)


def _open_up(folder: Path) -> None:
    """Make every folder writable for its owner, from the top down."""
    folder.chmod(0o700)
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            _open_up(entry)


def remove_all(state_dir: Path) -> None:
    """Delete every workspace of this state directory."""
    remove(root(state_dir))


def why_unreachable(path: Path, uid: int) -> str | None:
    """Why a process of this uid (and gid) cannot get at `path`, or None when it can.

    Names the first folder on the way that bars it, and the remedy.
    """
    if not path.is_absolute():
        return "the path must be absolute"
    try:
        resolved = path.resolve(strict=True)
    except FileNotFoundError:
        return "it does not exist"
    except OSError as error:
        return str(error)
    for folder in reversed(resolved.parents):
        if not _may_pass(folder, uid):
            return (
                f"{folder} bars uid {uid}; lay it out with verifier.sandbox.places, or allow "
                f"passing through with: chmod o+x {folder}"
            )
    return None


def _may_pass(folder: Path, uid: int) -> bool:
    info = folder.stat()
    if uid in (0, os.geteuid()):
        return os.access(folder, os.X_OK)
    bits = 0o100 if info.st_uid == uid else 0o010 if info.st_gid == uid else 0o001
    return bool(info.st_mode & bits)
