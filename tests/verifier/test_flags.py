"""The allow-list grammar of a flags file."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.artifact import ArtifactRefusedError
from verifier.flags import allowed, parse

ALLOW = ("-O2", "-f[no-]unroll-loops", "-march=native", "--param=NAME=INT", "-fmax-errors=INT")
CARELESS = ("-NAME", "-fNAME[=NAME]", "-BNAME", "-include", "-Wl,NAME", "-iNAME", "-INAME")


def test_flags_are_read_in_order_and_comments_are_not() -> None:
    text = b"# fast\n-O2 -funroll-loops\t-march=native # here\n\n--param=max-unroll-times=16\r\n"
    assert parse("flags.txt", text, ALLOW) == (
        "-O2",
        "-funroll-loops",
        "-march=native",
        "--param=max-unroll-times=16",
    )


@pytest.mark.parametrize(
    "flag",
    [
        "-O3",
        "-O2x",
        "O2",
        "-fno-no-unroll-loops",
        "-f[no-]unroll-loops",
        "--param=x=",
        "--param=x=1e9",
        "--param=../x=1",
        "--param=x=12345678901",
        "-include",
        "-include/etc/passwd",
        "-fplugin=x.so",
        "-B/tmp",
        "@file",
        "-wrapper",
        "-specs=x",
        "--specs=x",
        "-o",
        "-",
        "--",
        "solve.c",
        "$(id)",
        "`id`",
        ";",
        "-O2;id",
        "-march=native\0",
    ],
)
def test_other_flags_are_refused_with_line_and_name(flag: str) -> None:
    with pytest.raises(ArtifactRefusedError) as refused:
        parse("flags.txt", f"-O2\n{flag}\n".encode(), ALLOW)
    assert refused.value.path == "flags.txt"
    assert "line 2" in refused.value.why


@pytest.mark.parametrize(
    "flag",
    [
        *("-include", "-fplugin=evil", "-fplugin-arg-x", "-Bdir", "-Wl,wrap", "-imacros"),
        *("-isystem", "-Idir", "-wrapper", "-specs", "-save-temps", "-dumpbase", "-o"),
    ],
)
def test_a_careless_list_opens_nothing(flag: str) -> None:
    assert not allowed(flag, CARELESS)


def test_a_careless_list_still_allows_harmless_flags() -> None:
    assert allowed("-fstrict-aliasing", CARELESS)
    assert allowed("-ftree-vectorize", CARELESS)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"-O2 \xff", "not ASCII"),
        (b"-O2 " * 201, "more than 200"),
        (b"#" * 20_000, "bytes of flags"),
    ],
)
def test_files_out_of_shape_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(ArtifactRefusedError, match=words):
        parse("flags.txt", data, ALLOW)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        flags = parse("flags.txt", data, ALLOW)
    except ArtifactRefusedError:
        return
    assert all(allowed(flag, ALLOW) for flag in flags)


@given(st.text(alphabet=string.printable, max_size=40))
def test_no_path_and_no_response_file_gets_through_any_list(text: str) -> None:
    if "/" in text or text.startswith("@") or not text.startswith("-"):
        assert not allowed(text, (*CARELESS, text))
