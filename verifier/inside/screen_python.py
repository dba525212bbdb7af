"""The names that Python text uses, by its syntax tree. Only the standard library may be used here.

A name is followed to where it came from: after `import os as o`, `o.system` is os.system.
"""

import ast
import typing

Fact = tuple[str, str, int]  # kind (import, name, text), what, line

_IMPORTERS = ("__import__", "import_module", "importlib.import_module", "find_spec")


def facts(text: str) -> set[Fact]:
    """Every import, use and string of `text`. Raises `ValueError` where it is no Python."""
    try:
        tree = ast.parse(text)
        nodes = list(ast.walk(tree))
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"it cannot be read as Python: {type(error).__name__}") from error
    found: set[Fact] = set()
    known: dict[str, str] = {}
    for node in nodes:
        found.update(_imports(node, known))
    for _ in range(3):  # an alias of an alias of an alias
        for node in nodes:
            if isinstance(node, ast.Assign) and len(node.targets) == 1:
                name = _dotted(node.value, known)
                if isinstance(node.targets[0], ast.Name) and name:
                    known.setdefault(node.targets[0].id, name)
    for node in nodes:
        found.update(_uses(node, known))
    return found


def _imports(node: ast.AST, known: dict[str, str]) -> typing.Iterator[Fact]:
    if isinstance(node, ast.Import):
        for one in node.names:
            yield ("import", one.name, node.lineno)
            known[one.asname or one.name.split(".")[0]] = (
                one.name if one.asname else one.name.split(".")[0]
            )
    elif isinstance(node, ast.ImportFrom):
        base = "." * node.level + (node.module or "")
        yield ("import", base, node.lineno)
        for one in node.names:
            yield ("import", f"{base}.{one.name}", node.lineno)
            known[one.asname or one.name] = f"{base}.{one.name}"


def _dotted(node: ast.AST, known: dict[str, str]) -> str:
    """`a.b.c` with what is known of `a`; empty for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
        target = _constant_import(node, known)
        if target:
            return ".".join([target, *reversed(parts)])
    if not isinstance(node, ast.Name):
        return ""
    return ".".join([known.get(node.id, node.id), *reversed(parts)])


def _constant_import(node: ast.Call, known: dict[str, str]) -> str:
    name = _dotted(node.func, known)
    if name in _IMPORTERS or name.rpartition(".")[2] in _IMPORTERS:
        first = node.args[0] if node.args else None
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            return first.value
    return ""


def _uses(node: ast.AST, known: dict[str, str]) -> typing.Iterator[Fact]:
    line = getattr(node, "lineno", 0)
    if isinstance(node, ast.Name):
        yield ("name", known.get(node.id, node.id), line)
        yield ("text", node.id, line)
    elif isinstance(node, ast.Attribute):
        yield ("name", _dotted(node, known) or node.attr, line)
        yield ("text", node.attr, line)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
        value = node.value if isinstance(node.value, str) else node.value.decode("latin-1")
        yield ("text", value, line)
    elif isinstance(node, ast.Call):
        target = _constant_import(node, known)
        if target:
            yield ("import", target, line)
        name = _dotted(node.func, known)
        second = node.args[1] if name == "getattr" and len(node.args) > 1 else None
        if isinstance(second, ast.Constant) and isinstance(second.value, str):
            yield ("name", f"{_dotted(node.args[0], known)}.{second.value}", line)
