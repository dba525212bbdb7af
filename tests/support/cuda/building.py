"""Building kernel.cu for the host with g++, so that tests can run kernels where there is no GPU.

It shows what a kernel computes. It shows nothing of speed, nor of races between blocks.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent / "emulation"
_KERNEL = re.compile(
    r'extern\s+"C"\s+__global__\s+(?:__launch_bounds__\([^)]*\)\s*)?void\s+'
    r"(?:__launch_bounds__\([^)]*\)\s*)?(\w+)\s*\("
)
_DYNAMIC = re.compile(
    r"extern\s+__shared__\s+(?:__align__\(\d+\)\s+)?([\w\s]+?)\s+(\w+)\s*\[\s*\]\s*;"
)
_ASM = re.compile(r"\basm\s*(?:volatile)?\s*\(")
HOPPER = "__CUDA_ARCH_FEAT_SM90_ALL"  # defined where a kernel may use what only Hopper has


class NotBuiltError(Exception):
    """g++ refused the kernels; the message is what it said."""


def _closing(text: str, start: int) -> int:
    """Where the parenthesis that opens just before `start` is closed."""
    depth, quoted, at = 1, False, start
    while depth:
        sign = text[at]
        if sign == "\\" and quoted:
            at += 1
        elif sign == '"':
            quoted = not quoted
        elif not quoted:
            depth += {"(": 1, ")": -1}.get(sign, 0)
        at += 1
    return at


def _operands(part: str) -> list[str]:
    found, at = [], 0
    while match := re.compile(r'"[^"]*"\s*\(').search(part, at):
        at = _closing(part, match.end())
        found.append(part[match.end() : at - 1])
    return found


def _instructions(text: str) -> str:
    """Each asm statement as a call of the instruction that its text names."""
    done, at = [], 0
    while match := _ASM.search(text, at):
        end = _closing(text, match.end())
        inside = text[match.end() : end - 1]
        template = re.match(r'\s*((?:"(?:[^"\\]|\\.)*"\s*)+)', inside)
        if template is None:
            raise NotBuiltError("an asm statement without a text")
        rest = inside[template.end() :].replace("::", ": :").split(":")[1:3]
        operands = [name for part in rest for name in _operands(part)]
        words = " ".join(template.group(1).split("\n"))
        done.append(text[at : match.start()])
        done.append(f"autolab_ptx({', '.join([words, *operands])})")
        at = end
    return "".join([*done, text[at:]])


def host_source(source: str) -> str:
    """kernel.cu as C++ for the host, with a function to launch each of its kernels."""
    names = sorted(set(_KERNEL.findall(source)))  # one may be written for each architecture
    text = _DYNAMIC.sub(r"\1 *\2 = (\1 *)autolab::dynamic_shared();", _instructions(source))
    launchers = "\n".join(
        f'extern "C" void autolab_host_launch_{name}(unsigned gx, unsigned gy, unsigned gz, '
        "unsigned bx, unsigned by, unsigned bz, size_t shared, void **arguments)\n"
        f"{{ autolab::run({name}, dim3(gx, gy, gz), dim3(bx, by, bz), shared, arguments); }}"
        for name in names
    )
    return f'#include "emulation.h"\n#line 1 "kernel.cu"\n{text}\n{launchers}\n'


def _compile(*words: str | Path) -> None:
    line = [
        "g++",
        "-std=c++17",
        "-O1",
        "-fPIC",
        "-w",
        "-U_FORTIFY_SOURCE",
        "-fno-gnu-unique",
        f"-I{HERE}",
    ]
    ran = subprocess.run([*line, *map(str, words)], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise NotBuiltError(ran.stderr[:4000])


def build(source: str, library: Path, hopper: bool = False) -> None:
    """Make the shared library `library` of the kernels in `source`, as for sm_80 or for sm_90a.

    Raises `NotBuiltError` where g++ refuses it.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "kernel.cpp")
        made.write_text(host_source(source))
        kernel = Path(folder, "kernel.o")
        checks = ("-fsanitize=alignment", "-fsanitize-undefined-trap-on-error")
        defined = ("-D__CUDA_ARCH__=900", f"-D{HOPPER}") if hopper else ("-D__CUDA_ARCH__=800",)
        _compile(*checks, *defined, "-c", made, "-o", kernel)
        part = Path(folder, "library.so")
        # Several libraries live in one process, and none may see the state of another.
        _compile("-shared", "-Wl,-Bsymbolic", kernel, *_support(library.parent), "-o", part)
        part.replace(library)


def _support(folder: Path) -> list[Path]:
    """The emulation's own objects, built once in a folder."""
    objects = []
    for source in sorted(HERE.glob("*.cpp")):
        all_of_it = b"".join(part.read_bytes() for part in sorted(HERE.iterdir()))
        made = folder / f"{source.stem}-{hashlib.sha256(all_of_it).hexdigest()[:16]}.o"
        if not made.exists():
            new = made.with_suffix(".new.o")
            _compile("-c", source, "-o", new)
            new.replace(made)
        objects.append(made)
    return objects
