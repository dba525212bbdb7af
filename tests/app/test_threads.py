"""The threads that calls run on: they answer as a pool does, and end with the process."""

from __future__ import annotations

import threading

import pytest

from autolab_tui import threads
from autolab_tui.threads import MOST, CallThreads


def test_calls_answer_fail_and_wait_their_turn() -> None:
    pool, gate = CallThreads(), threading.Event()
    held = [pool.submit(gate.wait, 20) for _ in range(MOST)]
    late = [pool.submit(divmod, n, 4) for n in range(9)]
    assert not any(call.done() for call in late)
    broken = pool.submit(divmod, 1, 0)
    dropped = pool.submit(divmod, 1, 1)
    assert dropped.cancel()
    gate.set()
    assert [call.result(20) for call in held] == [True] * MOST
    assert [call.result(20) for call in late] == [divmod(n, 4) for n in range(9)]
    with pytest.raises(ZeroDivisionError):
        broken.result(20)
    pool.shutdown()
    with pytest.raises(RuntimeError):
        pool.submit(divmod, 1, 1)


def test_an_end_waits_for_a_call_that_comes_back_and_for_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threads, "PATIENCE", 20.0)
    pool, gate = CallThreads(), threading.Event()
    call = pool.submit(gate.wait, 20)
    threading.Timer(0.1, gate.set).start()
    pool.shutdown()
    assert call.done()

    monkeypatch.setattr(threads, "PATIENCE", 0.05)
    pool, gate = CallThreads(), threading.Event()
    call = pool.submit(gate.wait, 20)
    pool.shutdown()
    assert not call.done()
    gate.set()
