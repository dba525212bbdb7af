"""Looks for forbidden words in an artifact's text and program, inside a sandbox.

Its `main` is run with the package's folder on the path. stdin is a JSON line {"rules":
[[kind, pattern]], "files": [[name, size]], "programs": [size, size] or []} and then the files and
the two programs (candidate, pristine baseline), one after another. stdout is {"hits": [[rule, file,
line, what]], "unread": [[file, why]]}. Only the standard library may be used here.
"""

import fnmatch
import json
import os
import re
import sys
import typing

from verifier.inside import screen_c, screen_elf, screen_python, screen_rust

MOST = 200
WHAT = 160
C = {
    *(".c", ".h", ".inc", ".inl", ".ipp", ".s", ".S", ".asm"),
    *(".cc", ".cpp", ".cxx", ".c++", ".hh", ".hpp", ".hxx"),
}
Fact = tuple[str, str, int]
Rule = tuple[str, str]  # kind (includes, calls, imports, sentinels), pattern


def facts_of(name: str, text: str) -> typing.Iterable[Fact]:
    """What a file contains, by its language; plain words where there is none."""
    suffix = os.path.splitext(name)[1]
    if {suffix, suffix.lower()} & C:
        return screen_c.facts(text)
    if suffix == ".rs":
        return screen_rust.facts(text)
    if suffix in (".py", ".pyi"):
        return screen_python.facts(text)
    lines = enumerate(text.split("\n"), start=1)
    return (("text", word, number) for number, line in lines for word in line.split())


def matcher(rule: Rule) -> typing.Callable[[str, str], bool]:
    """Whether a fact (kind, what) is one that `rule` forbids."""
    kind, pattern = rule
    whole = re.compile(fnmatch.translate(pattern))
    if kind == "includes":
        ends = re.compile(fnmatch.translate(f"*/{pattern}"))
        return lambda fact, what: fact == "include" and bool(whole.match(what) or ends.match(what))
    if kind == "calls":
        last = re.compile(fnmatch.translate(f"*.{pattern}"))
        return lambda fact, what: fact == "name" and bool(whole.match(what) or last.match(what))
    if kind == "imports":
        deeper = re.compile(f"(?:{fnmatch.translate(pattern)[:-2]})(?:\\.|::)")
        return lambda fact, what: fact == "import" and bool(whole.match(what) or deeper.match(what))
    word = re.compile(_as_word(pattern), re.DOTALL)
    return lambda fact, what: fact == "text" and word.search(what) is not None


def _as_word(pattern: str) -> str:
    """A regular expression in which `*` reaches a little way, and the ends are ends of words."""
    core = pattern.strip("*")
    before = "" if pattern.startswith("*") else r"(?<!\w)"
    after = "" if pattern.endswith("*") else r"(?!\w)"
    return before + ".{0,200}".join(re.escape(part) for part in core.split("*")) + after


def same_name(pattern: str, symbol: str) -> bool:
    """Whether a library's `symbol` is the function `pattern`, in any of the library's spellings."""
    bare = symbol.lstrip("_")
    spellings = {symbol, bare}
    for ending in ("64", "_chk", "_2"):
        spellings |= {one.removesuffix(ending) for one in (symbol, bare)}
    return any(fnmatch.fnmatchcase(one, pattern) for one in spellings)


def search(
    rules: list[Rule], files: dict[str, bytes], programs: list[bytes]
) -> dict[str, list[list[object]]]:
    """All hits in files, then in the program's imports that the baseline's does not have."""
    hits: list[list[object]] = []
    unread: list[list[object]] = []
    matchers = [matcher(rule) for rule in rules]
    for name, data in sorted(files.items()):
        try:
            facts = first_places(facts_of(name, data.decode("utf-8", "replace")))
        except ValueError as error:
            unread.append([name, str(error)])
            continue
        for (kind, what), line in facts:
            for number, matches in enumerate(matchers):
                if matches(kind, what):
                    hits.append([number, name, line, clean(what[:WHAT])])
    if programs:
        taken = screen_elf.imports(programs[0]) - screen_elf.imports(programs[1])
        for symbol in sorted(taken):
            for number, (kind, pattern) in enumerate(rules):
                if kind == "calls" and same_name(pattern, symbol):
                    hits.append([number, "", 0, symbol[:WHAT]])
    return {"hits": hits[:MOST], "unread": unread[:MOST]}


def first_places(facts: typing.Iterable[Fact]) -> list[tuple[tuple[str, str], int]]:
    """Each fact once, with the first line that it stands in, in the order of lines."""
    first: dict[tuple[str, str], int] = {}
    for kind, what, line in facts:
        key = (kind, what)
        if line < first.get(key, line + 1):
            first[key] = line
    return sorted(first.items(), key=lambda fact: (fact[1], fact[0]))


def clean(text: str) -> str:
    """Without half characters, which JSON cannot carry."""
    return text.encode("utf-8", "replace").decode()


def main() -> None:
    """Read, search, answer."""
    request = json.loads(sys.stdin.buffer.readline())
    files = {name: sys.stdin.buffer.read(size) for name, size in request["files"]}
    programs = [sys.stdin.buffer.read(size) for size in request["programs"]]
    found = search([(kind, pattern) for kind, pattern in request["rules"]], files, programs)
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)
