"""Says whether a service keeps to Python and NumPy. Pinned: the verifier runs this very file.

    python3 check_source.py service.py

It reads the file and never runs it. Exit status 1, and a line for each finding, when it does not.
"""

import ast
import sys

MODULES = {
    *("__future__", "array", "bisect", "collections", "dataclasses", "enum", "functools", "heapq"),
    *("itertools", "math", "numpy", "operator", "struct", "typing", "wire"),
}
INNER = {"collections.abc", "numpy.typing", "numpy.lib.stride_tricks"}
# What leads out of the language, to files, or to other modules by the back door.
BUILTINS = {
    *("__import__", "breakpoint", "compile", "delattr", "eval", "exec", "exit", "getattr"),
    *("globals", "input", "locals", "open", "quit", "setattr", "vars"),
}
ATTRIBUTES = {
    *("DataSource", "builtins", "core", "ctypes", "ctypeslib", "data_as", "distutils", "dump"),
    *("dumps", "f2py", "fromfile", "fromregex", "genfromtxt", "importlib", "inspect", "io", "load"),
    *("loads", "loadtxt", "mat", "memmap", "methodcaller", "modules", "os", "pickle", "save"),
    *("savetxt", "savez", "savez_compressed", "setflags", "subprocess", "sys", "test", "testing"),
    *("tofile", "types"),
}
OWN = {"__init__", "__post_init__", "__slots__", "__len__", "__iter__", "__getitem__", "__call__"}


def allowed(module: str) -> bool:
    """Whether this module may be imported."""
    return module in MODULES | INNER


def problem(node: ast.AST) -> str | None:
    """What is wrong with this piece of the program, if anything is."""
    if isinstance(node, ast.Import):
        bad = [name.name for name in node.names if not allowed(name.name)]
        return f"import of {bad[0]}" if bad else None
    if isinstance(node, ast.ImportFrom):
        if node.level or node.module is None or not allowed(node.module):
            return f"import from {node.module or '.'}"
        names = [name.name for name in node.names]
        bad = [name for name in names if forbidden(name) or name == "*"]
        return f"import of {bad[0]} from {node.module}" if bad else None
    if isinstance(node, ast.Attribute) and forbidden(node.attr):
        own = isinstance(node.value, ast.Name) and node.value.id == "self"
        return None if own and not node.attr.startswith("__") else f"use of .{node.attr}"
    if isinstance(node, ast.Name) and (node.id in BUILTINS or node.id.startswith("__")):
        return None if node.id in OWN else f"use of {node.id}"
    return None


def forbidden(name: str) -> bool:
    """Whether an attribute of this name leads astray."""
    return name in ATTRIBUTES or (name.startswith("_") and name not in OWN)


def main(path: str) -> int:
    """Print the findings; 1 if there is one."""
    with open(path, "rb") as file:
        try:
            tree = ast.parse(file.read(), path)
        except (SyntaxError, ValueError, RecursionError) as error:
            print(f"{path}: {error}")
            return 1
    found = [
        f"{path}:{getattr(node, 'lineno', 0)}: {text} is not allowed here"
        for node in ast.walk(tree)
        if (text := problem(node)) is not None
    ]
    for line in found[:20]:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
