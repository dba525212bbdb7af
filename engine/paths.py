"""Where the engine keeps things: state, configuration, and the sockets that lead to it.

Standard library only: `autolab status` loads this module.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

STATE_VARIABLE = "AUTOLAB_STATE"
CONFIG_VARIABLE = "AUTOLAB_CONFIG"
_ADDRESS_FILE = "engine.address"


class PathError(RuntimeError):
    """A folder cannot be used; the message names it and the remedy."""


def state_dir(given: Path | str | None = None) -> Path:
    """The state folder: `given`, else `$AUTOLAB_STATE`, else the XDG state folder's `autolab/`.

    Raises `PathError` for a name that is no text: it could not stand in any answer of the engine;
    and where that takes a home folder and there is none.
    """
    chosen = given or os.environ.get(STATE_VARIABLE)
    if chosen:
        folder = _expanded(chosen)
    else:
        base = os.environ.get("XDG_STATE_HOME") or _expanded("~") / ".local" / "state"
        folder = Path(base) / "autolab"
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise PathError(
            f"the state folder's name {str(folder)!a} is not UTF-8; choose another with "
            f"--state DIR or {STATE_VARIABLE}, or set a UTF-8 locale (LC_ALL=C.UTF-8)"
        ) from None
    return folder


def journal_file(state: Path) -> Path:
    """The journal of a state folder."""
    return state / "journal.sqlite3"


def ledger_dir(state: Path) -> Path:
    """The ledger of verdicts of a state folder, with the key that signs them."""
    return state / "ledger"


def manifests_dir(state: Path) -> Path:
    """What the tasks of a state folder's runs were when they were launched."""
    return state / "tasks"


def config_dir() -> Path:
    """The configuration folder: `$AUTOLAB_CONFIG`, else the XDG config folder's `autolab/`.

    Raises `PathError` where that takes a home folder and there is none.
    """
    chosen = os.environ.get(CONFIG_VARIABLE)
    if chosen:
        return _expanded(chosen)
    base = os.environ.get("XDG_CONFIG_HOME") or _expanded("~") / ".config"
    return Path(base) / "autolab"


def _expanded(chosen: Path | str) -> Path:
    try:
        return Path(chosen).expanduser().absolute()
    except RuntimeError:
        raise PathError(
            f"there is no home folder for {str(chosen)!r}: set HOME, or choose folders with "
            f"{STATE_VARIABLE} and {CONFIG_VARIABLE}"
        ) from None


def make_private(directory: Path) -> Path:
    """Make a folder with mode 0700 (parents too) and return it.

    Raises `PathError` when it cannot be made or belongs to somebody else.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = directory.lstat()
    except OSError as error:
        raise PathError(
            f"cannot make the folder {directory}: {error.strerror or error}; "
            f"choose another with --state DIR or {STATE_VARIABLE}"
        ) from error
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
        raise PathError(
            f"{directory} is not a folder of this user (uid {os.geteuid()}); "
            "remove it or choose another"
        )
    return directory


def runtime_dir() -> Path:
    """The folder of our sockets, private to this user; made when it is missing.

    The XDG runtime folder is used where it exists, else a folder in /tmp that names the user.
    Raises `PathError` when the place belongs to somebody else.
    """
    given = os.environ.get("XDG_RUNTIME_DIR")
    candidates = [Path(given)] if given else []
    candidates.append(Path("/run/user") / str(os.geteuid()))
    for base in candidates:
        if base.is_dir() and base.stat().st_uid == os.geteuid() and os.access(base, os.W_OK):
            return make_private(base / "autolab")
    directory = make_private(Path("/tmp") / f"autolab-{os.geteuid()}")
    if stat.S_IMODE(directory.stat().st_mode) & 0o077:
        directory.chmod(0o700)
    return directory


def short_name(state: Path) -> str:
    """Twelve hex digits that stand for a state folder; socket paths have room for no more."""
    import hashlib

    return hashlib.sha256(os.fsencode(state.resolve())).hexdigest()[:12]


def engine_socket(state: Path) -> Path:
    """The socket of the engine that owns `state`.

    A running engine has written its address into the state folder, so that a shell with another
    runtime folder finds it too; otherwise this is where the next engine will listen.
    """
    try:
        written = (state / _ADDRESS_FILE).read_text(encoding="utf-8").strip()
    except OSError:
        written = ""
    return Path(written) if written else runtime_dir() / f"{short_name(state)}.engine"


def keeper_socket(state: Path) -> Path:
    """The socket of the keeper that holds the sandboxes of `state`."""
    return runtime_dir() / f"{short_name(state)}.keeper"


def write_address(state: Path, socket: Path) -> None:
    """Leave the engine's socket path where clients with another environment find it."""
    partial = state / f"{_ADDRESS_FILE}.new"
    partial.write_text(f"{socket}\n", encoding="utf-8")
    partial.replace(state / _ADDRESS_FILE)


def clear_address(state: Path) -> None:
    """Forget the address; the engine is ending."""
    (state / _ADDRESS_FILE).unlink(missing_ok=True)
