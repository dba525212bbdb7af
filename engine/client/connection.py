"""HTTP over the engine's Unix socket, and the errors that calling it can end in."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REMEDY = "start it with `autolab engine start`"
_WHY = "`autolab engine anomalies` says why, and what helps"


class EngineError(RuntimeError):
    """Calling the engine did not work."""


class EngineDownError(EngineError):
    """Nobody answers on the engine's socket, or the engine fell silent."""


class EngineSilentError(EngineDownError):
    """An engine has its socket and says nothing: it is stopped, stuck or very busy."""


class EngineForeignError(EngineError):
    """An engine of another version: it tells what this one does not understand."""

    def __init__(self, error: Exception) -> None:
        super().__init__(
            f"the engine is of another version ({error}); `autolab engine restart` puts this one "
            "in its place, and its sessions go on"
        )


class EngineRefusedError(EngineError):
    """The engine answered with an error; `status` is the HTTP status (400, 404, 409 or 503)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class UnixConnection(http.client.HTTPConnection):
    """HTTP over AF_UNIX."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("engine", timeout=timeout)
        self._path = path
        self.link: socket.socket | None = None

    def connect(self) -> None:
        """Connect to the socket file instead of a host."""
        link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        link.settimeout(self.timeout)
        try:
            link.connect(str(self._path))
        except BaseException:
            link.close()
            raise
        self.sock = self.link = link


def refusal(status: int, body: bytes) -> EngineRefusedError:
    """What the engine said when it did not answer with 200."""
    try:
        message = str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        message = f"the engine answered {status}: {body[:200].decode(errors='replace')}"
    return EngineRefusedError(status, message)


@contextmanager
def down(path: Path) -> Iterator[None]:
    """What goes wrong with a socket, as an error of ours that names the remedy."""
    try:
        yield
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise EngineDownError(f"no engine runs at {path}; {REMEDY}") from error
    except TimeoutError as error:
        raise EngineSilentError(f"the engine at {path} does not answer; {_WHY}") from error
    except (ConnectionError, http.client.HTTPException) as error:
        said = str(error) or type(error).__name__
        raise EngineDownError(f"the engine at {path} does not answer ({said}); {REMEDY}") from error
    except OSError as error:
        raise EngineDownError(f"cannot reach the engine at {path}: {error}; {REMEDY}") from error
