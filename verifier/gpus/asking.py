"""Asking a driver that may hang: each question is given up after a while, and holds up no other.

A question has a key, which says of what it is. While one of the same key hangs it is not asked
again, so that a driver cannot hold more and more threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
_LEAST = 0.1  # seconds, for whoever comes after many that hang


class HangsError(Exception):
    """The driver has not answered a question that it was asked `since` (Unix time)."""

    def __init__(self, since: float) -> None:
        said = time.strftime("%H:%M:%S", time.localtime(since))
        super().__init__(f"a call to the driver has not returned since {said}")
        self.since = since


class _Question(Generic[T]):
    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._over = threading.Event()
        self._answer: list[T] = []
        self._error: Exception | None = None
        self.since = time.time()
        # The process ends whatever this thread waits for.
        threading.Thread(target=self._work, daemon=True, name="nvml").start()

    def _work(self) -> None:
        try:
            self._answer.append(self._ask())
        except Exception as error:  # raised again where the answer is wanted
            self._error = error
        self._over.set()

    @property
    def hangs(self) -> bool:
        return not self._over.is_set()

    def answer(self, patience: float) -> T:
        if not self._over.wait(patience):
            raise HangsError(self.since)
        if self._error is not None:
            raise self._error
        return self._answer[0]


class Patience:
    """How long each of several is waited for: `each`, and `together` for all those that hang."""

    def __init__(self, each: float, together: float) -> None:
        self._each, self._left = each, together

    def ask(self, asker: Asker, key: str, ask: Callable[[], T]) -> T:
        """As `Asker.ask`; one who answers, however slowly, costs the others nothing."""
        began = time.monotonic()
        try:
            return asker.ask(key, ask, min(self._each, max(_LEAST, self._left)))
        except HangsError:
            self._left -= time.monotonic() - began
            raise


class Asker:
    """Remembers which questions hang. May be used on any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given_up: dict[str, list[_Question[Any]]] = {}

    def ask(self, key: str, ask: Callable[[], T], patience: float) -> T:
        """What `ask` returns or raises; `HangsError` after `patience` seconds, and at once while
        an earlier question of this `key` hangs."""
        if earlier := self._hanging(key):
            raise HangsError(earlier[0].since)
        question = _Question(ask)
        try:
            return question.answer(patience)
        except HangsError:
            with self._lock:
                self._given_up.setdefault(key, []).append(question)
            raise

    @property
    def hangs(self) -> bool:
        """Whether any question still waits for its answer."""
        return any(self._hanging(key) for key in tuple(self._given_up))

    def _hanging(self, key: str) -> list[_Question[Any]]:
        with self._lock:
            left = [one for one in self._given_up.get(key, ()) if one.hangs]
            if left:
                self._given_up[key] = left
            else:
                self._given_up.pop(key, None)
            return left
