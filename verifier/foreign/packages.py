"""What an image installs, and what stands for it on this machine.

A package is there when the command or Python module that tasks use of it is found inside the
sandbox. Tools that only make an agent's life easier (a terminal, a profiler) may be missing.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from verifier.sandbox.needs import Need

_GCC = (Need("command", "gcc"), Need("header", "stdio.h"))
_PYTHON = (Need("command", "python3"),)

# Debian's and Ubuntu's packages, by what they are needed for.
APT: Mapping[str, tuple[Need, ...]] = {
    "bash": (Need("command", "bash"),),
    "binutils": (Need("command", "ar"),),
    "build-essential": (*_GCC, Need("command", "g++"), Need("command", "make")),
    "cargo": (Need("command", "cargo"),),
    "clang": (Need("command", "clang"),),
    "cmake": (Need("command", "cmake"),),
    "coreutils": (Need("command", "sha256sum"),),
    "g++": (Need("command", "g++"),),
    "gcc": _GCC,
    "golang": (Need("command", "go"),),
    "golang-go": (Need("command", "go"),),
    "libc6-dev": (Need("header", "stdio.h"),),
    "libsqlite3-dev": (Need("header", "sqlite3.h"),),
    "make": (Need("command", "make"),),
    "python3": _PYTHON,
    "python3-dev": (Need("header", "python3.11/Python.h"),),
    "python3-numpy": (*_PYTHON, Need("module", "numpy")),
    "python3-scipy": (*_PYTHON, Need("module", "scipy")),
    "python3-yaml": (*_PYTHON, Need("module", "yaml")),
    "rustc": (Need("command", "rustc"),),
    "sqlite3": (Need("command", "sqlite3"),),
    "zlib1g-dev": (Need("header", "zlib.h"),),
}
CONVENIENCES = frozenset(
    """apt-transport-https apt-utils asciinema bsdmainutils ca-certificates curl file gdb git gnupg
    htop jq less linux-perf linux-tools-common linux-tools-generic locales lsof ltrace man-db
    nano netcat-openbsd net-tools perf pip procps psmisc python3-pip python3-venv
    python3-setuptools python3-wheel ripgrep rsync setuptools software-properties-common strace
    sudo time tmux tree tzdata unzip uv valgrind vim vim-tiny wget wheel xz-utils zip""".split()  # noqa: SIM905 - read as a list
)
_MODULES = {
    "beautifulsoup4": "bs4",
    "opencv-python": "cv2",
    "pillow": "PIL",
    "protobuf": "google",
    "python-dateutil": "dateutil",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
}
_REQUIREMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PIP_VALUES = frozenset(
    {"--index-url", "-i", "--extra-index-url", "--find-links", "-f", "--target", "-t", "--python"}
)
_CLEANED = ("/var/lib/apt", "/var/cache", "/root/.cache")


@dataclass(slots=True)
class Installs:
    """What one RUN line installs, and what is left of it to run."""

    apt: list[str] = field(default_factory=list)
    pip: list[str] = field(default_factory=list)
    requirement_files: list[str] = field(default_factory=list)
    rest: str = ""

    @property
    def any(self) -> bool:
        """Whether it installs anything."""
        return bool(self.apt or self.pip or self.requirement_files)


def split(text: str) -> Installs:
    """Take the leading commands that only install packages off a RUN line."""
    found = Installs(rest=text)
    while found.rest:
        head, separator, tail = found.rest.partition("&&")
        if not _take(head, found):
            break
        found.rest = tail.strip() if separator else ""
    return found


def _take(command: str, found: Installs) -> bool:
    """Whether `command` only installs (or cleans up after it); what it installs is noted."""
    try:
        words = shlex.split(command)
    except ValueError:
        return False
    while words and re.fullmatch(r"[A-Za-z_]\w*=\S*", words[0]):
        words = words[1:]
    if any(word in ("|", "||", ";") or word.endswith(";") for word in words):
        return False
    taken = False
    match words:
        case ["apt-get" | "apt", *rest]:
            taken = _apt(rest, found)
        case ["rm", *rest]:
            paths = [word for word in rest if not word.startswith("-")]
            taken = bool(paths) and all(path.startswith(_CLEANED) for path in paths)
        case (
            ["pip" | "pip3", "install", *rest]
            | ["python3" | "python", "-m", "pip", "install", *rest]
            | ["uv", "pip", "install", *rest]
        ):
            taken = _pip(rest, found)
    return taken


def _apt(words: Sequence[str], found: Installs) -> bool:
    plain = [word for word in words if not word.startswith("-")]
    if not plain or plain[0] not in ("update", "install", "clean", "autoremove", "upgrade"):
        return False
    if plain[0] == "install":
        found.apt += [word.partition("=")[0] for word in plain[1:]]
    return True


def _pip(words: Sequence[str], found: Installs) -> bool:
    rest = iter(words)
    for word in rest:
        if word in ("-r", "--requirement"):
            found.requirement_files.append(next(rest, ""))
        elif word in _PIP_VALUES:
            next(rest, "")
        elif not word.startswith("-"):
            found.pip.append(word)
    return True


def requirements(text: str) -> list[str]:
    """The packages of a requirements file; options in it are left out."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("-")]


def pip_name(requirement: str) -> str | None:
    """The package that `numpy==1.26.4` names; None for an address or a folder."""
    match = _REQUIREMENT.match(requirement)
    if match is None or "://" in requirement or requirement.startswith((".", "/")):
        return None
    return match[0].lower().replace("_", "-")


def pip_needs(name: str) -> tuple[Need, ...]:
    """What stands for a package of PyPI: the module that it brings."""
    if name in CONVENIENCES:
        return ()
    return (Need("module", _MODULES.get(name, name.replace("-", "_"))),)
