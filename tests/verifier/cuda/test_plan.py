"""A launch plan: read, shaped for a size, and refused by key and value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.artifact import ArtifactRefusedError
from verifier.cuda.plan import MOST_LAUNCHES, Limits, parse, shape
from verifier.cuda.shapes import ShapedLaunch

GRANTED = ("input", "output")
GOOD = """
[scratch]
partials = "4 * ceil_div(n, 1024)"

[[launch]]
entry = "sum_tiles"
grid = ["ceil_div(n, 1024)"]
block = [256]
shared = "4 * 256"
arguments = ["input", "partials", { u32 = "n" }]

[[launch]]
entry = "sum_partials"
grid = [1, 1]
block = [32, "min(n, 8)", 2]
arguments = ["partials", "output", { i64 = -1 }]
"""


def refusal(text: str, size: dict[str, int] | None = None, limits: Limits | None = None) -> str:
    with pytest.raises(ArtifactRefusedError) as caught:
        shape(parse(text.encode(), GRANTED), size or {"n": 5000}, limits or Limits())
    assert str(caught.value).startswith("launch.toml: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_plan_is_shaped_for_a_size() -> None:
    shaped = shape(parse(GOOD.encode(), GRANTED), {"n": 5000}, Limits())
    assert shaped.scratch == {"partials": 20}
    assert shaped.launches == (
        ShapedLaunch(
            "sum_tiles", (5, 1, 1), (256, 1, 1), 1024, ("input", "partials", ("u32", 5000))
        ),
        ShapedLaunch("sum_partials", (1, 1, 1), (32, 8, 2), 0, ("partials", "output", ("i64", -1))),
    )


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('entry = "sum_tiles"\n', "", "launch[0]: `entry` is missing"),
        (
            "block = [256]",
            "block = [2048]",
            "launch[0].block[0]: '2048' is 2048 at this size; 1 to 1024",
        ),
        ('"min(n, 8)"', '"32"', "launch[1].block: 2048 threads; a block has at most 1024"),
        ("grid = [1, 1]", "grid = [1, 70000]", "launch[1].grid[1]"),
        ("grid = [1, 1]", "grid = [1, 1, 1, 1]", "launch[1].grid: write a list of one to three"),
        ("grid = [1, 1]", "grid = [0]", "1 to 2147483647 are allowed"),
        ("grid = [1, 1]", "grid = [1.5]", "launch[1].grid[0]: write a whole number"),
        ("grid = [1, 1]", "grid = [true]", "launch[1].grid[0]: write a whole number"),
        ('"4 * 256"', '"n * 10"', "launch[0].shared: 'n * 10' is 50000 at this size; 0 to 49152"),
        ('"4 * 256"', '"0 - 4"', "launch[0].shared"),
        ('"4 * 256"', '"m"', "`m` is no parameter of this size; there are: n"),
        ('{ u32 = "n" }', '{ u32 = "n - n - 1" }', "launch[0].arguments[2].u32"),
        ('{ u32 = "n" }', "{ f32 = 1 }", "there is no type 'f32'; there are: i32, u32, i64, u64"),
        ('{ u32 = "n" }', "7", "launch[0].arguments[2]: write the name of a buffer"),
        ('"input", "partials"', '"input", "secret"', "there are: input, output, partials"),
        ("shared =", "cooperative = true\nshared =", "there is no key 'cooperative'"),
        (
            "[scratch]",
            "[streams]\nx = 1\n[scratch]",
            "there is no key 'streams'; there are: scratch, launch",
        ),
        (
            "partials =",
            'input = "4"\npartials =',
            "scratch.input: the task has a buffer of this name",
        ),
        ('"4 * ceil_div(n, 1024)"', '"n * n * 1000"', "scratch.partials"),
        ('"4 * ceil_div(n, 1024)"', '"n - n"', "scratch.partials: 'n - n' is 0"),
        ('entry = "sum_tiles"', 'entry = "a b"', "launch[0].entry: write a name"),
        ("[[launch]]", "[[launch", "no TOML"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(old: str, new: str, words: str) -> None:
    assert GOOD.count(old) >= 1
    assert words in refusal(GOOD.replace(old, new, 1))


def test_scratch_counts_in_all() -> None:
    text = GOOD.replace("partials =", "more = 90\npartials =", 1)
    assert "scratch.partials" in refusal(text, limits=Limits(scratch_bytes=100))


def test_there_are_only_so_many_launches() -> None:
    assert "one to 64" in refusal('[scratch]\na = "1"\n')
    one = '[[launch]]\nentry = "k"\ngrid = [1]\nblock = [1]\n'
    assert len(parse((one * MOST_LAUNCHES).encode(), GRANTED).launches) == MOST_LAUNCHES
    assert "one to 64" in refusal(one * (MOST_LAUNCHES + 1))


def test_hostile_bytes_are_refused_in_one_clean_line() -> None:
    for data in (b"\xff\xfe", b"a = " + b"[" * 5000, b"x" * 70_000, b'"\\u001b[2J" = 1'):
        with pytest.raises(ArtifactRefusedError) as caught:
            parse(data, GRANTED)
        assert str(caught.value).isprintable()


@given(st.binary(max_size=80), st.integers(0, len(GOOD)))
def test_bytes_in_the_middle_give_a_plan_or_a_refusal(data: bytes, at: int) -> None:
    try:
        shape(parse(GOOD.encode()[:at] + data + GOOD.encode()[at:], GRANTED), {"n": 5000}, Limits())
    except ArtifactRefusedError as error:
        assert str(error).isprintable()
