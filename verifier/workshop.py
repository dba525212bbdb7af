"""How one kind of driver makes and runs what it times: the part of judging that differs by kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from verifier.cpus import Machine
from verifier.judge import Case
from verifier.programs import Program, Sources, make
from verifier.repetition import Repetition, repeat
from verifier.screening.watch import Watch

if TYPE_CHECKING:
    from tasks.autolab import Autolab


class Made(Protocol):
    """What can be run. `size` in bytes; `image` is the program where it is a single file."""

    @property
    def size(self) -> int:
        """Bytes of all of it."""
        ...

    @property
    def image(self) -> bytes | None:
        """The executable file that is screened, where there is one."""
        ...


M = TypeVar("M", bound=Made)


class Workshop(Protocol[M]):
    """Makes candidates and runs them. `watched` says whether a `Watch` can see what they do."""

    watched: bool

    def make(self, sources: Sources) -> M:
        """Raises `BuildError`."""
        ...

    def repeat(
        self,
        machine: Machine,
        made: M,
        case: Case,
        *,
        given: int,
        output_size: int,
        watch: Watch | None,
    ) -> Repetition:
        """One repetition on the sealed memfd `given`. Raises `FailedError`."""
        ...


class Programs:
    """Programs of the host: built, and run in a sandbox of their own each time."""

    watched = True

    def __init__(self, machine: Machine, table: Autolab) -> None:
        self._machine = machine
        self._table = table

    def make(self, sources: Sources) -> Program:
        """Build as the task says. Raises `BuildError`."""
        return make(self._machine, self._table, sources)

    def repeat(
        self,
        machine: Machine,
        made: Program,
        case: Case,
        *,
        given: int,
        output_size: int,
        watch: Watch | None,
    ) -> Repetition:
        """A new process in a new sandbox. Raises `FailedError`."""
        return repeat(machine, made, given, output_size, watch)
