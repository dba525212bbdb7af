"""A new task to start from: small, complete, and right by `autolab tasks check`.

The models lie in tasks/template/KIND. Files that end in `.in` have `@NAME@` and `@TITLE@` filled in
and lose that ending; all others are copied as they are.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

from tasks import files
from tasks.errors import TaskError

KINDS = ("native", "python", "data", "cuda")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_FILLED_IN = ".in"


def create(target: Path, kind: str = "native") -> Path:
    """Write a task of `kind` as the directory `target` and return it; `pins.json` is not written.

    The task is named after the directory. It appears whole or not at all. Raises `TaskError` for a
    name that no task can have, a `target` that is in use or cannot be written, and another kind.
    """
    if kind not in KINDS:
        raise TaskError(
            target, "is no kind of task", value=kind, remedy=f"use one of {', '.join(KINDS)}"
        )
    if not _NAME.fullmatch(target.name):
        raise TaskError(
            target,
            "cannot be a task's name",
            value=target.name,
            remedy="use small letters, digits and _, a letter first",
        )
    if os.path.lexists(target):
        raise TaskError(target, "exists already", remedy="choose another name, or remove it")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(target, Path(__file__).parent / "template" / kind)
    except OSError as error:
        raise TaskError(
            target,
            f"cannot be written ({error.strerror})",
            remedy="choose a directory that you may write to",
        ) from error
    return target


def _write(target: Path, model: Path) -> None:
    building = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        for name in files.tree(model):
            data = files.read_inside(model, name)
            if name.endswith(_FILLED_IN):
                data = _fill_in(data.decode(), target.name).encode()
            place = building / name.removesuffix(_FILLED_IN)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)
        building.chmod(0o755)  # mkdtemp makes it private, which a task is not
        building.rename(target)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _fill_in(text: str, name: str) -> str:
    title = name.replace("_", " ").capitalize()
    return text.replace("@NAME@", name).replace("@TITLE@", title)
