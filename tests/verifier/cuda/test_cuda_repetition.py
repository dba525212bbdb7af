"""A repetition on a device of the tests' own: memory in this process, kernels in Python, a queue.

It shows the judge's logic, not a GPU: nothing here says how real devices behave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from verifier.cuda.repetition import ClocksDisagreeError, Ran, ViolationError, repeat
from verifier.cuda.shapes import ShapedLaunch, ShapedPlan

Kernel = Callable[["Host", dict[str, int]], None]
START = 4096
N = 300


class Host:
    """A device in memory. Kernels run at `synchronise`; each takes a millisecond of its clock."""

    def __init__(self, **kernels: Kernel) -> None:
        self.kernels = kernels
        self.memory = bytearray(1 << 16)
        self.queue: list[Callable[[], None]] = []
        self.late: list[Callable[[], None]] = []
        self.now = 0.0
        self.asleep = 0.0
        self.events: dict[int, float] = {}
        self.flushed = 0
        self.held: set[int] = set()

    def allocate(self, size: int) -> int:
        assert size < len(self.memory) - START
        self.held.add(START)
        return START

    def free(self, address: int) -> None:
        self.held.remove(address)

    def write(self, address: int, data: bytes) -> None:
        self.memory[address : address + len(data)] = data

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.memory[address : address + size])

    def flush(self) -> None:
        self.flushed += 1

    def prepared(self, launch: ShapedLaunch, addresses: Mapping[str, int]) -> Callable[[], object]:
        at = {str(item): addresses[str(item)] for item in launch.arguments}

        def work() -> None:
            self.kernels[launch.entry](self, at)
            self.now += 0.001

        return lambda: self.queue.append(work)

    def mark(self) -> int:
        number = len(self.events)
        self.events[number] = -1.0
        self.queue.append(lambda: self.events.__setitem__(number, self.now))
        return number

    def between(self, first: int, last: int) -> float:
        return self.events[last] - self.events[first]

    def synchronise(self) -> None:
        queued, self.queue = self.queue, []
        for work in queued:
            work()
        self.queue, self.late = self.late, []
        if len(queued) > 1:
            self.now += self.asleep

    def idle(self) -> bool:
        return not self.queue


def double(host: Host, at: dict[str, int]) -> None:
    given = host.read(at["input"], N)
    host.write(at["output"], bytes(2 * byte % 256 for byte in given))


def plan(*entries: str) -> ShapedPlan:
    launches = (ShapedLaunch(e, (1, 1, 1), (1, 1, 1), 0, ("input", "output")) for e in entries)
    return ShapedPlan({}, tuple(launches))


GIVEN = bytes(n % 251 for n in range(N))
RIGHT = bytes(2 * byte % 256 for byte in GIVEN)


def run(host: Host, *entries: str, seed: bytes = b"seed") -> Ran:
    try:
        return repeat(
            host, plan(*entries), {"input": GIVEN}, {"output": N}, seed, clock=lambda: host.now
        )
    finally:
        assert not host.held


def violation(kernel: Kernel) -> str:
    with pytest.raises(ViolationError) as caught:
        run(Host(k=kernel), "k")
    return str(caught.value)


def test_an_honest_kernel_is_timed_by_both_clocks() -> None:
    host = Host(k=double)
    ran = run(host, "k", "k")
    assert ran.outputs == {"output": RIGHT}
    assert ran.seconds == pytest.approx(0.002)
    assert ran.host_seconds == pytest.approx(0.002)
    assert host.flushed == 1


def test_work_that_was_skipped_is_seen() -> None:
    assert violation(lambda host, at: None) == "nothing was written to `output`"


def test_an_output_of_last_time_is_not_there_any_more() -> None:
    host = Host(k=double)
    run(host, "k")
    host.kernels = {"k": lambda host, at: None}
    with pytest.raises(ViolationError, match="nothing was written"):
        run(host, "k", seed=b"another")


def test_half_of_the_work_leaves_poison_that_differs_each_time() -> None:
    def half(host: Host, at: dict[str, int]) -> None:
        host.write(at["output"], RIGHT[: N // 2])

    first, second = (run(Host(k=half), "k", seed=seed).outputs["output"] for seed in (b"1", b"2"))
    assert first[: N // 2] == second[: N // 2] == RIGHT[: N // 2]
    assert first[N // 2 :] != second[N // 2 :]


def test_a_late_kernel_is_seen() -> None:
    def late(host: Host, at: dict[str, int]) -> None:
        host.write(at["output"], b"\0" * N)
        host.late.append(lambda: double(host, at))

    assert violation(late) == "work went on after the end of the last launch"


def test_a_late_kernel_is_seen_where_the_device_says_that_it_is_idle() -> None:
    class Unaware(Host):
        def idle(self) -> bool:
            return True

    def late(host: Host, at: dict[str, int]) -> None:
        host.write(at["output"], b"\0" * N)
        host.late.append(lambda: double(host, at))

    with pytest.raises(ViolationError, match="work went on"):
        run(Unaware(k=late), "k")


@pytest.mark.parametrize(
    ("buffer", "offset", "words"),
    [
        ("output", N, "wrote past the end of `output`, from byte 0 on"),
        ("input", N + 5, "wrote past the end of `input`, before `output`, from byte 5 on"),
        ("input", -1, "wrote before the begin of `input`, from 1 bytes on"),
        ("input", 7, "the input `input` was written to"),
    ],
)
def test_a_write_elsewhere_is_seen(buffer: str, offset: int, words: str) -> None:
    def stray(host: Host, at: dict[str, int]) -> None:
        double(host, at)
        host.memory[at[buffer] + offset] ^= 0xFF

    assert violation(stray) == words


def test_time_that_only_one_clock_saw_is_not_believed() -> None:
    host = Host(k=double)
    host.asleep = 0.5
    with pytest.raises(ClocksDisagreeError, match=r"0\.001000 s by the device"):
        run(host, "k")
