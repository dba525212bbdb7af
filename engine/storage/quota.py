"""How much disk a workspace takes, and when that is too much.

A workspace is a folder of the host's file system, and quotas are not to be had everywhere; so it is
looked at every few seconds, and a session whose workspace is beyond its limit is ended. One file
cannot grow beyond the sandbox's own limit in between.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

DEFAULT_MB = 10_240
ENTRIES = 100_000
_BLOCK = 512
_MIB = 1 << 20


def excess(directory: Path, limit_mb: int, entries: int = ENTRIES) -> str | None:
    """What is too much about the tree below `directory`, in words, or None.

    Counts allocated blocks, follows no link, and stops as soon as the answer is known.
    """
    used = seen = 0
    folders = [os.fspath(directory)]
    while folders:
        try:
            found = os.scandir(folders.pop())
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return "storage limit reached: folders nested deeper than can be read"
            continue  # gone in the meantime, or closed to us by its owner, who then is ourselves
        with found:
            for entry in found:
                seen += 1
                used += _allocated(entry)
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                if used > limit_mb * _MIB:
                    return f"storage limit reached: the workspace exceeds {limit_mb} MiB"
                if seen > entries:
                    return f"storage limit reached: more than {entries} files"
    return None


def _allocated(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_blocks * _BLOCK
    except OSError:  # deleted while we looked
        return 0
