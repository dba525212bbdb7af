"""A task's judge.py in a process of the system's Python, which has numpy."""

from __future__ import annotations

import pickle
import struct
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PYTHON = "/usr/bin/python3"
_CHILD = """
import importlib.util, pickle, struct, sys
spec = importlib.util.spec_from_file_location("judge", sys.argv[1])
judge = importlib.util.module_from_spec(spec)
spec.loader.exec_module(judge)
while head := sys.stdin.buffer.read(8):
    name, arguments = pickle.loads(sys.stdin.buffer.read(*struct.unpack("<Q", head)))
    views = [memoryview(a) if isinstance(a, bytes) else a for a in arguments]
    answer = pickle.dumps(getattr(judge, name)(*views))
    sys.stdout.buffer.write(struct.pack("<Q", len(answer)) + answer)
    sys.stdout.buffer.flush()
"""


def has_numpy() -> bool:
    """Whether the system's Python can run the judges."""
    line = [PYTHON, "-c", "import numpy"]
    try:
        return subprocess.run(line, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


class Judge:
    """judge.py of a task: its functions, asked one at a time."""

    def __init__(self, task: Path) -> None:
        line = [PYTHON, "-B", "-c", _CHILD, str(task / "tests" / "judge.py")]
        self._process = subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._process.communicate()

    def _ask(self, name: str, *arguments: Any) -> Any:
        asked, told = self._process.stdin, self._process.stdout
        assert asked is not None
        assert told is not None
        words = pickle.dumps((name, arguments))
        asked.write(struct.pack("<Q", len(words)) + words)
        asked.flush()
        head = told.read(8)
        assert head, f"judge.py ended in {name}()"
        return pickle.loads(told.read(*struct.unpack("<Q", head)))

    def cases(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = self._ask("cases", params)
        return answer

    def generate(self, params: dict[str, Any], seed: int) -> tuple[bytes, int]:
        answer: tuple[bytes, int] = self._ask("generate", params, seed)
        return answer

    def check(
        self, params: dict[str, Any], given: bytes, output: bytes, expected: bytes
    ) -> list[tuple[str, bool, str]]:
        answer: list[tuple[str, bool, str]] = self._ask("check", params, given, output, expected)
        return answer
