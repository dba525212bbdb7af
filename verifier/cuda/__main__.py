"""Compile a kernel.cu and hold its launch.toml against it, without a device:

    python -m verifier.cuda FOLDER --buffers input,output --size n=5000

Prints one line for each architecture and kernel. Ends with 0 when all was compiled and planned,
1 when something was refused, 2 when nothing could be tried. Nothing is run on a device.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from verifier import cpus
from verifier.artifact import ArtifactRefusedError, printable
from verifier.build import BuildError
from verifier.cpus import Machine
from verifier.cuda.compiling import CAPABILITIES, SHARED, compiled, target
from verifier.cuda.fitting import SOURCE, fit
from verifier.cuda.plan import FILE, Limits, parse, shape
from verifier.request import VerifyRequest
from verifier.sandbox import get_backend
from verifier.sandbox.spec import SandboxUnavailableError


def _size(text: str) -> tuple[str, int]:
    name, _, value = text.partition("=")
    try:
        return name, int(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no NAME=NUMBER") from None


def _check(folder: Path, buffers: list[str], size: dict[str, int]) -> None:
    source, written = (folder / SOURCE).read_bytes(), (folder / FILE).read_bytes()
    machine = Machine(get_backend(), cpus.choose(VerifyRequest(task="")))
    plan = parse(written, buffers)
    for capability in CAPABILITIES:
        limits = Limits(shared_bytes=SHARED[capability])
        shaped = shape(plan, size, limits)
        _, cubin = compiled(machine, source, capability)
        fit(shaped, cubin, limits)
        for name, kernel in sorted(cubin.kernels.items()):
            launches = sum(launch.entry == name for launch in shaped.launches)
            print(
                f"{target(capability)}  {printable(name, 60)}: {kernel.registers} registers, "
                f"{kernel.shared_bytes} bytes of static shared memory, launched {launches} times"
            )
    print("compiled and planned; not run on a device")


def main(words: list[str] | None = None) -> int:
    """Check one folder; the exit status."""
    reader = argparse.ArgumentParser(prog="python -m verifier.cuda", description=__doc__)
    reader.formatter_class = argparse.RawDescriptionHelpFormatter
    reader.add_argument("folder", type=Path, help=f"holds {SOURCE} and {FILE}")
    reader.add_argument("--buffers", default="input,output", help="the task's buffers, by comma")
    reader.add_argument("--size", type=_size, action="append", default=[], metavar="NAME=NUMBER")
    given = reader.parse_args(words)
    try:
        _check(given.folder, given.buffers.split(","), dict(given.size))
    except ArtifactRefusedError as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    except BuildError as error:
        log = "\n".join(printable(line) for line in error.log.splitlines()[:40])
        print(f"not compiled: {error.why}\n{log}".strip(), file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except SandboxUnavailableError as error:
        print(f"no sandbox: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
