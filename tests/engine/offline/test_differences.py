"""Differences: a patch that takes one side to the other, bounded whatever the files hold."""

from __future__ import annotations

import random
import re

from hypothesis import given
from hypothesis import strategies as st

from engine.offline.differences import LINE_CHARS, FileDifference, compare

LINES = st.lists(st.sampled_from(["a", "b", "}", "", "int x;", "return 0;", "ü", "- x", "@@"]))


def one(old: bytes | None, new: bytes | None, most: int = 10**6) -> FileDifference:
    sides = ({} if side is None else {"f": side} for side in (old, new))
    [found] = compare(*sides, most)
    return found


def patched(old: str, lines: tuple[str, ...]) -> str:
    """What a patch program would make of it, checking each line that the hunks name."""
    source = old.splitlines(keepends=True)
    made: list[str] = []
    at = 0
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        end = "" if after.startswith("\\") else "\n"
        if hunk := re.fullmatch(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", line):
            start = int(hunk[1]) - (hunk[2] != "0")
            made += source[at:start]
            at = start
            assert len(made) == int(hunk[3]) - (hunk[4] != "0")
        elif not line.startswith("\\"):
            if line[0] in " -":
                assert source[at] == line[1:] + end
                at += 1
            if line[0] in " +":
                made.append(line[1:] + end)
    return "".join([*made, *source[at:]])


@given(LINES, LINES, st.booleans(), st.booleans())
def test_the_difference_is_a_patch(
    old: list[str], new: list[str], old_ends: bool, new_ends: bool
) -> None:
    before = "\n".join(old) + ("\n" if old_ends else "")
    after = "\n".join(new) + ("\n" if new_ends else "")
    if before == after:
        assert compare({"f": before.encode()}, {"f": after.encode()}) == []
        return
    found = one(before.encode(), after.encode())
    assert (found.change, found.binary, found.left_out) == ("changed", False, 0)
    assert patched(before, found.lines) == after
    assert found.removed == sum(line.startswith("-") for line in found.lines)
    assert found.added == sum(line.startswith("+") for line in found.lines)


def test_an_edit_in_a_long_file_is_small() -> None:
    lines = [f"line {number};" if number % 3 else "}" for number in range(20_000)]
    changed = lines.copy()
    changed[50] = "first"
    del changed[9_000:9_003]
    changed.insert(19_990, "last")
    found = one("\n".join(lines).encode(), "\n".join(changed).encode())
    assert (found.removed, found.added) == (4, 2)
    assert len(found.lines) < 40


def test_files_that_come_and_go_and_files_that_are_no_text() -> None:
    same = {"same": b"x"}
    found = compare({**same, "gone": b"a\n"}, {**same, "new": b"b", "blob": b"\0" * 9})
    assert [(f.path, f.change, f.binary) for f in found] == [
        ("blob", "added", True),
        ("gone", "removed", False),
        ("new", "added", False),
    ]
    assert found[1].lines == ("@@ -1 +0,0 @@", "-a")
    assert found[2].lines == ("@@ -0,0 +1 @@", "+b", "\\ No newline at end of file")
    # Bytes that are no UTF-8 are told apart.
    odd = one(b"caf\xe9\n", b"caf\xe8\n")
    assert odd.lines[1:] == ("-caf\\xe9", "+caf\\xe8")


def test_much_is_cut_and_counted() -> None:
    found = one(None, b"x\n" * 5000, 100)
    assert (len(found.lines), found.left_out, found.added) == (100, 4901, 5000)
    [_, line, *_] = one(b"", b"y" * (LINE_CHARS + 7)).lines
    assert line == "+" + "y" * LINE_CHARS + " … 7 more characters"


def test_no_file_takes_minutes() -> None:
    """Made to be slow for the standard library's matcher: these take it from seconds to hours."""
    random.seed(1)
    words = [f"w{n}" for n in range(90)]
    noise = ["\n".join(random.choices(words, k=60_000)).encode() for _ in range(2)]
    stripes = [b"x\n" * 100_000, b"x\ny\n" * 50_000]
    blank = [b"\n" * (4 << 20), b"\n" * ((4 << 20) - 1) + b" "]
    for old, new in (noise, stripes, blank):
        assert one(old, new).added
