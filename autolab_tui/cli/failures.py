"""How a command fails: one line on stderr that names the thing, the value and the remedy."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

DONE, FAILED, USAGE, NEGATIVE, INTERRUPTED = 0, 1, 2, 3, 130

# Failures of other rooms whose message is already fit for an operator. An exception can only be of
# a class whose module is loaded, so they are looked up instead of imported.
_SPEAKING = (
    ("engine.client.connection", "EngineError"),
    ("engine.client.connection", "EngineDownError"),
    ("engine.journal", "JournalError"),
    ("engine.offline.snapshots", "OfflineError"),
    ("engine.harnesses", "HarnessError"),
    ("engine.paths", "PathError"),
    ("tasks", "TaskError"),
    ("tasks.errors", "TaskError"),
    ("verifier.pins", "PinsError"),
    ("verifier.artifact", "ArtifactRefusedError"),
    ("verifier.ledger.bundle", "BundleError"),
    ("verifier.ledger.keys", "LedgerError"),
    ("verifier.planting", "PlantingError"),
    ("verifier.sandbox.spec", "SandboxUnavailableError"),
)


class CommandError(Exception):
    """The command cannot do what was asked; the message is the line that the operator reads."""

    code = FAILED


class UsageError(CommandError):
    """The command line itself is wrong."""

    code = USAGE


def guarded(command: Callable[[], int]) -> int:
    """Run a command; print its failure as one line and return the exit code.

    With AUTOLAB_DEBUG=1 in the environment a traceback comes first.
    """
    try:
        return command()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has gone: nobody is left to tell, and that is no failure.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except CommandError as error:
        return _report(error, str(error), error.code)
    except Exception as error:  # the last stop: whatever it is, the operator gets one line
        if isinstance(error, OSError) or _speaks(error):
            return _report(error, _os_message(error), FAILED)
        text = f"unexpected {type(error).__name__}: {error}; AUTOLAB_DEBUG=1 shows where"
        return _report(error, text, FAILED)


def _speaks(error: Exception) -> bool:
    classes = (
        getattr(sys.modules[module], name, None)
        for module, name in _SPEAKING
        if module in sys.modules
    )
    return isinstance(error, tuple(cls for cls in classes if isinstance(cls, type)))


def _os_message(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "cannot write the output: no space left on its disk"
    return str(error) or type(error).__name__


def _report(error: Exception, message: str, code: int) -> int:
    if os.environ.get("AUTOLAB_DEBUG") == "1":
        import traceback

        traceback.print_exception(error)
    from autolab_tui.cli.output import note

    # A path, a model or an agent may have named what the message speaks of.
    note(" ".join(part.strip() for part in message.splitlines() if part.strip()))
    return code
