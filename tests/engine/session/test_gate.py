"""The gate at which model calls wait."""

from __future__ import annotations

import asyncio

import pytest

from engine.session.gate import CallInterruptedError, Gate


async def test_a_shut_gate_holds_who_comes_and_an_interrupt_who_is_inside() -> None:
    gate, seen = Gate(shut=False), []

    async def call(name: str) -> None:
        await gate.passed()
        async with gate.call():
            seen.append(name)
            await asyncio.sleep(30)

    first = asyncio.create_task(call("first"))
    await asyncio.sleep(0)
    gate.shut()
    second = asyncio.create_task(call("second"))
    await asyncio.sleep(0.01)
    assert (seen, gate.closed, first.done()) == (["first"], True, False)
    gate.interrupt()
    with pytest.raises(CallInterruptedError):
        await first
    gate.open()
    await asyncio.sleep(0.01)
    assert seen == ["first", "second"]
    gate.interrupt()
    with pytest.raises(CallInterruptedError):
        await second


async def test_a_time_out_of_the_call_s_own_is_no_interrupt() -> None:
    gate = Gate(shut=False)
    with pytest.raises(TimeoutError):
        async with gate.call(), asyncio.timeout(0.01):
            await asyncio.sleep(30)
    gate.interrupt()  # nobody is inside any more
