"""What a Dockerfile makes, as folders of this machine: built once, kept, and never changed.

    IMAGES/KEY/tree/app ...     the image's own folders, read-only for every sandbox
    IMAGES/KEY/manifest.json    what was copied there and what only came of building
    IMAGES/KEY.failed           why the last try came to nothing

KEY is a hash over the task's environment and tests and the way of building. As root the images are
root's and lie under /var/lib/autolab; an ordinary user's are in the XDG state folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tasks import Task, files
from verifier import pins
from verifier.sandbox import places
from verifier.sandbox.spec import Mount

VERSION = "1"  # of the way in which images are built
_PACKAGES = Path("/var/lib/dpkg/status")


class ImageError(ValueError):
    """The image cannot be made here; the message names the line and the reason."""


class Manifest(msgspec.Struct, frozen=True):
    """What is in an image. Paths of files are relative to /app.

    `copied` came from the task as they are, with their SHA-256; `made` came of building. `named`
    are hashes of copied files that stand in the image's /orig, where a task pins files.
    """

    folders: tuple[str, ...]
    env: dict[str, str]
    copied: dict[str, str]
    made: tuple[str, ...]
    named: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is there."""

    root: Path
    manifest: Manifest

    def folder(self, name: str) -> Path:
        """The host folder of one of its folders, such as "app"."""
        return self.root / "tree" / flat(name)

    def mounts(self, hidden: frozenset[str]) -> tuple[Mount, ...]:
        """Its folders but /app and the `hidden` ones, read-only."""
        return tuple(
            Mount(self.folder(name), inside(name))
            for name in self.manifest.folders
            if name != "app" and name not in hidden
        )


def flat(name: str) -> str:
    """What the host calls a folder of an image."""
    return name.strip("/").replace("/", "-")


def inside(name: str) -> str:
    """Where a folder of an image is inside a sandbox."""
    return name if name.startswith("/") else f"/{name}"


def images() -> Path:
    """Where images are kept; made when it is not there."""
    if os.geteuid() == 0:
        place = Path("/var/lib/autolab/images")
        for folder in (place.parent, place):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o711)
        return place
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    place = Path(state) / "autolab" / "images"
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    return place


def key_of(task: Task) -> str:
    """The name of the task's image: the same files give the same image."""
    hashed = hashlib.sha256(f"{VERSION} {os.geteuid() == 0}".encode())
    hashed.update(repr((task.config.environment.workdir, task.config.verifier.env)).encode())
    for folder in ("environment", "tests"):
        for name in files.tree(task.path, folder):
            path = f"{folder}/{name}"
            hashed.update(f"{path}\0{pins.sha256(files.read_inside(task.path, path))}\n".encode())
    return hashed.hexdigest()[:24]


def find(task: Task) -> Image | None:
    """The task's image, if it was built before."""
    root = images() / key_of(task)
    try:
        text = (root / "manifest.json").read_bytes()
        image = Image(root, msgspec.json.decode(text, type=Manifest))
    except (OSError, msgspec.DecodeError):
        return None
    with contextlib.suppress(OSError):
        os.utime(root)  # it was of use today
    return image


def failure(task: Task) -> str | None:
    """Why the image could not be built at the last try, unless packages were installed since."""
    try:
        stamp, _, why = failed_file(task).read_text("utf-8").partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return why if stamp == packages_stamp() else None


def failed_file(task: Task) -> Path:
    """Where it is kept why the image could not be built."""
    return images() / f"{key_of(task)}.failed"


def packages_stamp() -> str:
    """A word that changes whenever packages are installed or removed."""
    try:
        return str(_PACKAGES.stat().st_mtime_ns)
    except OSError:
        return "0"


def forget(task: Task) -> None:
    """Remove the task's image and what is known of a failure."""
    root = images() / key_of(task)
    places.remove(root)
    failed_file(task).unlink(missing_ok=True)
    root.with_suffix(".lock").unlink(missing_ok=True)
