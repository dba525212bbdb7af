"""The words of Rust text as its compiler would read them: comments and strings are none.

Only the standard library may be used here.
"""

import re
import typing

Fact = tuple[str, str, int]  # kind (import, name, text), what, line

_TOKEN = re.compile(
    r"(?P<line>//[^\n]*)"
    r"|(?P<block>/\*)"
    r"|(?P<raw>(?:br|cr|r)(?P<fence>\#*)\".*?\"(?P=fence))"
    r"|(?P<string>[bc]?\"(?:\\.|[^\"\\])*\")"
    r"|(?P<char>b?'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\\n])')"
    r"|(?P<lifetime>'(?:r\#)?[^\W\d]\w*)"
    r"|(?P<number>[0-9]\w*(?:\.[0-9]\w*)?)"
    r"|(?P<name>(?:r\#)?[^\W\d]\w*)"
    r"|(?P<path>::)"
    r"|(?P<other>\S)",
    re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_KEYWORDS = {
    *("use", "pub", "mod", "extern", "crate", "in", "return", "match", "if", "else", "let"),
    *("mut", "ref"),
}
_Token = tuple[str, str, int]


def facts(text: str) -> set[Fact]:
    """Every path, name and string of `text`."""
    tokens = list(_tokens(text))
    found: set[Fact] = set()
    for kind, word, line in tokens:
        if kind == "name":
            found |= {("name", word, line), ("text", word, line)}
        elif kind == "text":
            found.add(("text", word, line))
    found.update(_paths(tokens))
    return found


def _tokens(text: str) -> typing.Iterator[_Token]:
    at, line, counted = 0, 1, 0
    while True:
        token = _TOKEN.search(text, at)
        if token is None:
            return
        line += text.count("\n", counted, token.start())
        counted = token.start()
        at = token.end()
        kind = token.lastgroup or ""
        if kind == "block":
            at = _after_comment(text, at)
        elif kind == "name":
            yield ("name", token[0].removeprefix("r#"), line)
        elif kind in ("string", "raw", "fence", "char"):
            yield ("text", token[0], line)
        elif kind in ("path", "other"):
            yield (kind, token[0], line)


def _after_comment(text: str, at: int) -> int:
    """Where the block comment ends that was opened before `at`; they nest."""
    depth = 1
    while depth:
        edge = _COMMENT_EDGE.search(text, at)
        if edge is None:
            return len(text)
        depth += 1 if edge[0] == "/*" else -1
        at = edge.end()
    return at


def _paths(tokens: list[_Token]) -> typing.Iterator[Fact]:
    """Every a::b::c, the trees of `use` spelled out: a::{b, c::d} gives a::b and a::c::d."""
    stack: list[str] = []
    known: dict[str, str] = {}  # what `use a as b` calls b
    here, open_ = "", False  # the path so far, and whether it goes on
    renamed: str | None = None
    for kind, word, line in tokens:
        if kind == "name" and word == "as":
            renamed = here
        elif kind == "name" and renamed is not None:
            if renamed:
                known[word] = renamed
            here, open_, renamed = "", False, None
        elif kind == "name" and word in _KEYWORDS:
            here, open_ = "", False
        elif kind == "name":
            base = here if open_ else (stack[-1] if stack else "")
            here = f"{base}::{word}" if base else known.get(word, word)
            open_ = False
            yield ("import", here, line)
        elif kind == "path":
            open_ = True
        elif word == "{":
            stack.append(here if open_ else "")
            here, open_ = "", False
        elif word == "}":
            if stack:
                stack.pop()
            here, open_ = "", False
        elif word == "*" and open_:
            yield ("import", f"{here}::*", line)
            here, open_ = "", False
        else:
            here, open_ = "", False
