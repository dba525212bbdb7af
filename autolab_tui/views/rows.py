"""Rows that are painted when they are looked at: of 1,800 sessions a terminal shows forty."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import overload

from autolab_tui.roles import Line

Row = tuple[str, Sequence[Line]]  # its identity and its lines


class Painted(Sequence[Line]):
    """`height` lines of one row; `paint` makes them, once, when the first is asked for."""

    def __init__(self, height: int, paint: Callable[[], Sequence[Line]]) -> None:
        self._height = height
        self._paint = paint
        self._lines: Sequence[Line] | None = None

    def __len__(self) -> int:
        return self._height

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | Sequence[Line]:
        if self._lines is None:
            self._lines = self._paint()
        return self._lines[index]


class Flat(Sequence[Line]):
    """The lines of rows, one after the other; `starts` are the numbers of their first lines."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        ends = [0, *accumulate(len(lines) for _, lines in rows)]
        self._length = ends[-1]
        self.starts = ends[:-1]

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Line: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Line]: ...
    def __getitem__(self, index: int | slice) -> Line | Sequence[Line]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(self._length))]
        if index < 0:
            index += self._length
        if not 0 <= index < self._length:
            raise IndexError(index)
        row = bisect_right(self.starts, index) - 1
        return self._rows[row][1][index - self.starts[row]]
