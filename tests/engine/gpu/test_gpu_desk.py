"""What a desk makes of a driver's answers: gone, silent, numbered anew. No engine runs."""

from __future__ import annotations

from typing import Any

import pytest

from engine.events import AnyBody, LeaseGranted, SessionPaused
from engine.gpu import desk as rules
from engine.gpu.desk import GpuDesk
from engine.state import State
from tests.app.journal import three_sessions
from verifier.gpus.device import Gpu, Want
from verifier.gpus.inventory import Inventory

HERE = Inventory((Gpu("GPU-a", "H100", 0), Gpu("GPU-b", "H100", 1)))
GONE = Inventory((), "the NVIDIA driver is not loaded")
SILENT = Inventory((), "the NVIDIA driver does not answer", True)


@pytest.fixture
def noted() -> list[AnyBody]:
    return []


@pytest.fixture
def desk(noted: list[AnyBody]) -> GpuDesk:
    state: State = three_sessions().state()
    for session in state.sessions.values():
        session.state, session.pause = "running", None

    async def nobody(_: Any) -> dict[str, int]:
        return {}

    made = GpuDesk(state, lambda body, _: noted.append(body), lambda: None, namespaces=nobody)
    made.learn(HERE)
    assert made.take("s-rising", Want(1), set())
    return made


def pauses(noted: list[AnyBody]) -> list[str]:
    return [body.why for body in noted if isinstance(body, SessionPaused)]


def test_a_driver_that_is_silent_has_lost_nothing_for_a_minute(
    desk: GpuDesk, noted: list[AnyBody]
) -> None:
    for _ in range(rules._SILENT_LOOKS - 1):
        desk.learn(SILENT)
    desk.learn(HERE)
    for _ in range(rules._SILENT_LOOKS - 1):
        desk.learn(SILENT)
    assert pauses(noted) == [] and not desk.lost("s-rising")
    for _ in range(rules._LOOKS):
        desk.learn(SILENT)
    (why,) = pauses(noted)
    assert "is gone while leased: the NVIDIA driver does not answer" in why


def test_one_look_without_a_device_pauses_nobody(desk: GpuDesk, noted: list[AnyBody]) -> None:
    desk.learn(GONE)
    desk.learn(HERE)
    desk.learn(GONE)
    assert pauses(noted) == []
    desk.learn(GONE)
    assert len(pauses(noted)) == 1


def test_those_who_share_a_device_lose_it_by_two_looks_too(
    desk: GpuDesk, noted: list[AnyBody]
) -> None:
    desk.give_back("s-rising", "over")
    for session in ("s-rising", "s-hasty"):
        assert desk.take(session, Want(2, shared=True), set())
    assert desk.holders().whole == dict.fromkeys(("GPU-a", "GPU-b"), ("s-rising", "s-hasty"))
    desk.learn(GONE)
    assert pauses(noted) == []
    desk.learn(GONE)
    assert len(pauses(noted)) == 2


def test_a_device_that_came_back_with_another_node_is_lost_to_its_sandbox(
    desk: GpuDesk, noted: list[AnyBody]
) -> None:
    """The index may change as it likes: it is the number of the node that a sandbox has."""
    desk.learn(Inventory(HERE.gpus[::-1]))
    desk.learn(Inventory(HERE.gpus[::-1]))
    assert pauses(noted) == []
    swapped = Inventory((Gpu("GPU-a", "H100", 1), Gpu("GPU-b", "H100", 0)))
    desk.learn(swapped)
    desk.learn(swapped)
    assert [gpu.uuid for gpu in desk.lost("s-rising")] == ["GPU-a"]
    assert len(pauses(noted)) == 1
    desk.give_back("s-rising", "its processes were ended")
    assert desk.take("s-rising", Want(1), set())
    granted = [body for body in noted if isinstance(body, LeaseGranted)]
    assert granted[-1].gpus[0].minor == 1


def test_what_is_said_of_others_is_not_said_of_the_lost_device(
    desk: GpuDesk, noted: list[AnyBody]
) -> None:
    left = Inventory(HERE.gpus[1:], "GPU 7 does not answer: GPU is lost")
    desk.learn(left)
    desk.learn(left)
    (why,) = pauses(noted)
    assert "(GPU-a) is gone while leased (of the machine: GPU 7 does not answer" in why


@pytest.mark.parametrize("shared", [False, True])
def test_a_gpu_that_is_cut_while_leased_is_taken_with_its_slices(
    desk: GpuDesk, noted: list[AnyBody], shared: bool
) -> None:
    desk.give_back("s-rising", "over")
    desk.learn(Inventory(HERE.gpus[:1]))
    assert desk.take("s-rising", Want(1, shared=shared), set())
    desk.learn(Inventory((Gpu("MIG-a", "H100 MIG", 0, parent="GPU-a"),)))
    assert not desk.take("s-hasty", Want(1, shared=shared), set())
    assert "1 of 1 here are leased" in desk.words(Want(1))
    assert desk.holders().in_part("MIG-a", "GPU-a") == ("s-rising",)
    assert desk.holders().of("MIG-a") == ()


def test_a_gpu_made_whole_while_a_slice_is_leased_is_taken(desk: GpuDesk) -> None:
    desk.give_back("s-rising", "over")
    cut = tuple(Gpu(f"MIG-{n}", "H100 MIG", 0, parent="GPU-a") for n in "ab")
    desk.learn(Inventory(cut))
    assert desk.take("s-rising", Want(2), set())
    desk.learn(Inventory(HERE.gpus[:1]))
    assert not desk.take("s-hasty", Want(1), set())
    assert "1 of 1 here are leased" in desk.words(Want(1))
    assert desk.holders().in_part("GPU-a", "") == ("s-rising",)


def test_a_gpu_that_was_cut_under_its_session_is_lost_and_the_reason_is_said(
    desk: GpuDesk, noted: list[AnyBody]
) -> None:
    for _ in range(2):
        desk.learn(Inventory((Gpu("MIG-a", "H100 MIG", 0, parent="GPU-a"),)))
    (why,) = pauses(noted)
    assert "(GPU-a) is gone while leased: cut into MIG slices; resumed" in why
