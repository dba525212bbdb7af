"""What screening reads in hostile text: code counts, comments and strings do not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.inside import screen_elf
from verifier.inside.screen_main import search

RULES = [("calls", "fork"), ("includes", "sys/ptrace.h"), ("imports", "std::process")]
PYTHON = [("imports", "os"), ("calls", "os.system"), ("calls", "eval")]


def hits(name: str, text: str, rules: list[tuple[str, str]] = RULES) -> list[str]:
    return [str(hit[3]) for hit in search(rules, {name: text.encode()}, [])["hits"]]


@pytest.mark.parametrize(
    "text",
    [
        "int main() { fork(); }",
        "int (*f)(void) = fork;",
        "fo\\\nrk();",
        "fo\\  \n\\\nrk();",
        "/\\\n/ a comment\nfork();",
        "/\\\n* a comment *\\\n/ fork();",
        "// where trigraphs are off ??/\nfork();",
        "#define F fork\nF();",
        "#define F fo ## rk",
        "#define F fo %:%: rk",
        "'\"' fork() '\"'",
        '"a string that nobody ends\nfork();',
        '"a \\" quote"; fork();',
        'R"x(" )x" fork(); ""',
        'R"x()\\\nx" fork(); ")x"',
        "#if 0\n#else\nfork();\n#endif",
        "int f = 1'000; fork(); char c = 'a';",
        "#if 0\ndon't\n#endif\nfork(); char c = 'a';",
    ],
)
def test_a_call_cannot_be_hidden_in_c(text: str) -> None:
    assert "fork" in hits("a.c", text)


@pytest.mark.parametrize(
    "text",
    [
        "/* fork() */ int x;",
        "// fork()\nint x;",
        "// goes on \\\nfork();",
        'char *s = "fork()";',
        'char *s = "\\"fork()";',
        "a.fork; b->fork;",
        "int forks; int fork_; int unfork;",
    ],
)
def test_comments_strings_and_members_are_no_calls_in_c(text: str) -> None:
    assert hits("a.c", text) == []


@pytest.mark.parametrize(
    "text",
    [
        "#include <sys/ptrace.h>",
        "  #  include /* here */ <sys/ptrace.h>",
        "%:include <sys/ptrace.h>",
        "??=include <sys/ptrace.h>",
        "#inc\\\nlude <sys/ptrace.h>",
        '#include "sys//ptrace.h"',
        "#include <sys/../sys/ptrace.h>",
        '#include "/usr/include/x86_64-linux-gnu/sys/ptrace.h"',
        "#define H <sys/ptrace.h>\n#include H",
        "#include_next <sys/ptrace.h>",
    ],
)
def test_an_include_cannot_be_hidden(text: str) -> None:
    assert len(hits("a.h", text)) == 1
    assert hits("a.h", f"/* {text}\n*/") == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("use std::process::Command;", True),
        ("use std::{io, process::{self, Command}};", True),
        ("use std as s;\nfn a() { s::process::exit(0) }", True),
        ("fn a() { ::std::process::exit(1) }", True),
        ("let q = '\"'; std::process::exit(1); let r = '\"';", True),
        ("fn a<'b>(c: &'b str) { std::process::exit(1) }", True),
        ("/* /* */ std::process::exit(1) */", False),
        ('let s = r#"" std::process"#;', False),
        ("// std::process\n", False),
        ("use std::io; let process = 1;", False),
    ],
)
def test_rust_paths_are_followed(text: str, found: bool) -> None:
    assert bool(hits("a.rs", text)) is found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import os.path as p", {"os.path"}),
        ("from os import system as s\ns('x')", {"os", "os.system"}),
        ("o = __import__('os')\no.system", {"os", "os.system"}),
        ("import importlib\nimportlib.import_module('os')", {"os"}),
        ("getattr(x, 'eval')('1')", {"x.eval"}),
        ("e = eval\ne('1')", {"eval"}),
        ("'eval'  # eval", set()),
        ("evaluate(1)", set()),
    ],
)
def test_python_names_are_followed(text: str, found: set[str]) -> None:
    assert set(hits("a.py", text, PYTHON)) == found


def test_what_is_no_python_is_said_to_be_unread() -> None:
    for text in ("def f(:", "(" * 5000, "a = " + "-" * 100_000 + "1"):
        assert search(PYTHON, {"a.py": text.encode()}, [])["unread"]


def test_sentinels_are_words_of_code_and_of_strings() -> None:
    rules = [("sentinels", "judge.py"), ("sentinels", "autolab_*")]
    assert hits("a.c", 'open("/tests/judge.py"); autolab_x = 1; // judge.py', rules) == [
        '"/tests/judge.py"',
        "autolab_x",
    ]
    assert hits("a.txt", "1 2 judge.py 3", rules) == ["judge.py"]


@given(st.text(alphabet="/*\\\n\"'R()?=#%: ab0.", max_size=60))
def test_any_text_can_be_read(text: str) -> None:
    for name in ("a.c", "a.rs", "a.py", "a.txt"):
        search(RULES, {name: text.encode()}, [])


@given(st.binary(max_size=400))
def test_any_bytes_can_be_looked_at_as_a_program(data: bytes) -> None:
    screen_elf.imports(b"\x7fELF\x02\x01" + data)


def test_a_program_s_imports_show_what_its_text_hides(tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc")
    images = []
    for name, text in (
        ("plain", "int main(void) { return 0; }"),
        ("sly", 'int f(void) __asm__("fo" "rk"); int main(void) { return f(); }'),
    ):
        source = tmp_path / f"{name}.c"
        source.write_text(text)
        subprocess.run(["gcc", str(source), "-o", str(tmp_path / name)], check=True)
        images.append((tmp_path / name).read_bytes())
    plain, sly = images
    assert search(RULES, {}, [sly, plain])["hits"] == [[0, "", 0, "fork"]]
    assert search(RULES, {}, [plain, sly])["hits"] == []
