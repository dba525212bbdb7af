"""The threads that calls and reckoning run on: none of them keeps the app from ending.

asyncio's own pool is waited for at the end without a limit, and Python waits for its threads once
more. A call to an engine that was stopped, or lies behind a dead disk, would hold the operator's
terminal for as long as that lasts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

MOST = 16
PATIENCE = 0.7  # seconds that calls under way have at the end, so that a last order still goes out

P = ParamSpec("P")
T = TypeVar("T")
_Call = tuple[Future[Any], Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class CallThreads(ThreadPoolExecutor):
    """Up to `MOST` threads, made when they are needed, that end with the process.

    A `ThreadPoolExecutor` by name only, since an event loop takes no other for its default.
    """

    def __init__(self) -> None:
        super().__init__(max_workers=MOST)
        self._waiting: SimpleQueue[_Call] = SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._made = 0
        self._closed = False
        self._open: set[Future[Any]] = set()
        self._guard = threading.Lock()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call it on a thread. Raises `RuntimeError` after `shutdown`."""
        future: Future[T] = Future()
        with self._guard:
            if self._closed:
                raise RuntimeError("the app is being left")
            self._open.add(future)
            make = not self._idle.acquire(blocking=False) and self._made < MOST
            self._made += make
        future.add_done_callback(self._done)
        self._waiting.put((future, fn, args, kwargs))
        if make:
            threading.Thread(target=self._work, name="app-call", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; wait for those under way, but not for long."""
        del cancel_futures
        with self._guard:
            self._closed = True
            left = set(self._open)
        if wait:
            futures.wait(left, PATIENCE)

    def _done(self, future: Future[Any]) -> None:
        with self._guard:
            self._open.discard(future)

    def _work(self) -> None:
        while True:
            future, function, args, kwargs = self._waiting.get()
            if future.set_running_or_notify_cancel():
                try:
                    result = function(*args, **kwargs)
                except BaseException as error:  # whoever asked for it is told
                    future.set_exception(error)
                else:
                    future.set_result(result)
            del future, function, args, kwargs
            self._idle.release()
