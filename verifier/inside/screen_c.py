"""The words of C and C++ text as a compiler would read them: comments and strings are none.

Where a reading depends on the compiler's options (trigraphs, raw strings in C), both are made and
what either contains counts. Only the standard library may be used here.
"""

import bisect
import itertools
import posixpath
import re
import typing

Fact = tuple[str, str, int]  # kind (include, name, text), what, line

_SPLICE = "\ue000"  # stands for a backslash and the end of its line
_GAP = rf"(?:[ \t\f\v{_SPLICE}]|/{_SPLICE}*\*.*?\*{_SPLICE}*/)*"


def _word(word: str) -> str:
    return f"{_SPLICE}*".join(word)


_PREFIX = r"(?:u8|[LuU])?"
_INCLUDE = f"{_word('include')}(?:{_word('_next')})?"
_TRIGRAPHS = {
    "=": "#", "(": "[", "/": "\\", ")": "]", "'": "^", "<": "{", "!": "|", ">": "}", "-": "~",
}  # fmt: skip
_TRIGRAPH = re.compile(r"\?\?([=(/)'<!>-])")
_RAW = rf"(?P<raw>{_PREFIX}R\"(?P<fence>[^()\\\s\"]{{0,16}})\((?P<rawtext>.*?)\)(?P=fence)\")|"
_REST = (
    rf"(?P<include>(?:\#|%:){_GAP}(?:{_INCLUDE}|{_word('import')}|{_word('embed')})(?!\w){_GAP}"
    r"(?:<[^>\n]*>|\"[^\"\n]*\"))"
    rf"|(?P<comment>/{_SPLICE}*\*.*?\*{_SPLICE}*/|/{_SPLICE}*/[^\n]*|/{_SPLICE}*\*.*\Z)"
    rf"|(?P<string>{_PREFIX}\"(?:\\{_SPLICE}*.|[^\"\\\n])*\")"
    rf"|(?P<char>{_PREFIX}'(?:\\{_SPLICE}*.|[^'\\\n])*')"
    rf"|(?P<number>\.?[0-9](?:[eEpP][+-]|'[0-9A-Za-z_]|[0-9A-Za-z_.{_SPLICE}])*)"
    rf"|(?P<name>[^\W\d][\w${_SPLICE}]*|\$[\w${_SPLICE}]*)"
    rf"|(?P<paste>\#{_SPLICE}*\#|%:{_SPLICE}*%:)"
    r"|(?P<member>->|\.(?!\.))"
    r"|(?P<other>\S)"
)
_WITH_RAW = re.compile(_RAW + _REST, re.DOTALL)
_WITHOUT_RAW = re.compile(_REST, re.DOTALL)
_HEADER = re.compile(r"[<\"]([^>\"\n]*)[>\"]\s*\Z")
_DEFINED_HEADER = re.compile(
    rf"^[ \t]*(?:\#|%:){_GAP}{_word('define')}{_GAP}[\w{_SPLICE}]+[ \t]+[<\"]([^>\"\n]+)[>\"]",
    re.MULTILINE,
)


def facts(text: str) -> set[Fact]:
    """Every include, name and string of `text`, in each way that it may be read."""
    found: set[Fact] = set()
    trigraphs = (False, True) if "??" in text else (False,)
    raws = (True, False) if 'R"' in text or "R\\" in text else (False,)
    for trigraph, raw in itertools.product(trigraphs, raws):
        found.update(_reading(_spliced(text, trigraph), _WITH_RAW if raw else _WITHOUT_RAW))
    return found


def _spliced(text: str, trigraphs: bool) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace(_SPLICE, " ")
    if trigraphs:
        text = _TRIGRAPH.sub(lambda found: _TRIGRAPHS[found[1]], text)
    return re.sub(r"\\[ \t\f\v]*\n", _SPLICE, text)


def _reading(text: str, tokens: "re.Pattern[str]") -> typing.Iterator[Fact]:
    ends = [found.start() for found in re.finditer(rf"[\n{_SPLICE}]", text)]
    before, name, pasting = "", "", False
    for token in tokens.finditer(text):
        kind, line = token.lastgroup or "", bisect.bisect(ends, token.start()) + 1
        if kind in ("comment",):
            continue
        word = token[0].replace(_SPLICE, "")
        if kind == "include":
            header = _HEADER.search(word)
            yield ("include", posixpath.normpath(header[1] if header else word), line)
        elif kind == "name":
            if before != "member":
                yield ("name", word, line)
            if pasting:
                yield ("name", name + word, line)
            yield ("text", word, line)
        elif kind in ("string", "char", "raw", "fence", "rawtext"):
            yield ("text", word, line)
        pasting = kind == "paste"
        if kind != "paste":
            name = word if kind == "name" else ""
        before = kind
    for found in _DEFINED_HEADER.finditer(text):
        line = bisect.bisect(ends, found.start()) + 1
        yield ("include", posixpath.normpath(found[1].replace(_SPLICE, "")), line)
