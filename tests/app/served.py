"""A loopback HTTP server on a Unix socket that serves a `Journal` as the engine's API does."""

from __future__ import annotations

import json
import queue
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import msgspec

from engine.clock import Clock
from engine.events import AnyBody, Event, encode
from tests.app.journal import BOOT, Journal


class EngineServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serves a journal; `publish` adds an event while clients follow."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path, journal: Journal, beat: float = 0.05) -> None:
        self.journal = journal
        self.beat = beat
        self.beating = True
        self.overlap = 0  # events before the asked number that are sent once more
        self.stopped: list[list[str]] = []
        self.orders: list[tuple[str, list[str]]] = []
        self.present = 0
        self.gpus: dict[str, object] = {
            "reading": {"trouble": "no driver", "gpus": []},
            "history": {},
        }
        self.processes: dict[str, object] = {
            "stamp": 1.0,
            "sandbox": False,
            "processes": [],
            "left_out": 0,
        }
        self.launched: list[dict[str, object]] = []
        self.bodies: list[dict[str, object]] = []  # of the orders, whole
        self.refuse: dict[str, tuple[int, str]] = {}
        self.followers: list[queue.Queue[Event | None]] = []
        self.ended = False
        super().__init__(str(path), _Handler)

    def publish(self, body: AnyBody, session: str | None = None) -> None:
        event = self.journal.write(body, session)
        for follower in list(self.followers):
            follower.put(event)

    def cut(self) -> None:
        """Break every stream."""
        for follower in list(self.followers):
            follower.put(None)

    def get_request(self):  # type: ignore[no-untyped-def]
        request, _ = super().get_request()
        return request, ("local", 0)


class _Handler(BaseHTTPRequestHandler):
    server: EngineServer

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        asked = urlparse(self.path)
        query = {key: values[0] for key, values in parse_qs(asked.query).items()}
        journal = self.server.journal
        parts = asked.path.strip("/").split("/")
        if parts[-1] in self.server.refuse:
            status, error = self.server.refuse[parts[-1]]
            self._answer({"error": error}, status)
        elif asked.path == "/state":
            self._answer(journal.state())
        elif parts[-1] == "processes":
            self._answer(self.server.processes)
        elif asked.path == "/gpus":
            self._answer(self.server.gpus)
        elif asked.path == "/events":
            self._follow(int(query["after"]))
        elif parts[-1] == "transcript":
            entries = journal.transcripts.get(parts[1], [])
            after, limit = int(query["after"]), int(query["limit"])
            some = entries[after : after + limit]
            live = journal.live.get(parts[1])
            self._answer({"entries": some, "next": after + len(some), "live": live})
        elif parts[-1] == "verdicts":
            self._answer({"verdicts": journal.verdicts.get(parts[1], [])})
        else:
            self._answer({"error": f"no route {asked.path}"}, 404)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "stop" in self.server.refuse:
            status, error = self.server.refuse["stop"]
            self._answer({"error": error}, status)
            return
        if self.path.startswith("/runs"):
            self._launch(body)
            return
        if self.path.startswith("/presence"):
            self.server.present += 1
            self._answer({})
            return
        if self.path.startswith("/stop"):
            self.server.stopped.append(body["globs"])
        else:
            self.server.orders.append((self.path.strip("/"), body.get("globs", [])))
            self.server.bodies.append(body)
        if self.path.endswith("/restore"):
            self._answer({"files": ["solve.c"], "before": "b" * 64})
            return
        self._answer({"sessions": body["globs"]})

    def _launch(self, spec: dict[str, object]) -> None:
        dry = "dry_run" in self.path
        if not dry:
            self.server.launched.append(spec)
        if "runs" in self.server.refuse:
            status, error = self.server.refuse["runs"]
            self._answer({"error": error}, status)
            return
        cost = {"expected": 1.25, "low": 0.5, "high": 3.0}
        work = {"expected": 600.0, "low": 120.0, "high": 1200.0}
        forecast = {"cost": cost, "active": work, "finish": None, "level": 0.8, "basis": "a guide"}
        found = {"run": "r-new", "sessions": ["n-1", "n-2"], "notes": []}
        self._answer({**found, "forecast": forecast} if dry else found)

    def _answer(self, what: object, status: int = 200) -> None:
        data = msgspec.json.encode(what)
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _follow(self, after: int) -> None:
        server = self.server
        news: queue.Queue[Event | None] = queue.Queue()
        server.followers.append(news)
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        try:
            for event in server.journal.events[max(0, after - server.overlap) :]:
                self._send(event)
            self._beat()
            while not server.ended:
                try:
                    event = news.get(timeout=server.beat)
                except queue.Empty:
                    self._beat()
                    continue
                if event is None:
                    return
                self._send(event)
        except OSError:
            pass
        finally:
            server.followers.remove(news)

    def _send(self, event: Event) -> None:
        self.wfile.write(b"id: %d\ndata: %s\n\n" % (event.seq, encode(event)))
        self.wfile.flush()

    def _beat(self) -> None:
        if not self.server.beating:
            return
        journal = self.server.journal
        data = {"at": "2025-11-24T16:04:00.000Z", "boot": BOOT, "stamp": journal.now,
                "loop_lag": 0.002, "seq": len(journal.events)}  # fmt: skip
        self.wfile.write(b"event: heartbeat\ndata: %s\n\n" % json.dumps(data).encode())
        self.wfile.flush()


@contextmanager
def serve(path: Path, journal: Journal) -> Iterator[EngineServer]:
    """An engine's API at a socket path, on threads of its own."""
    server = EngineServer(path, journal)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        path.unlink(missing_ok=True)
        server.ended = True  # for a follower that is only now coming in
        server.cut()
        thread.join(5)


def still_clock(journal: Journal) -> Clock:
    """A clock that shows the journal's own time, which passes only in tests that say so."""
    return Clock(boot=lambda: BOOT, now=lambda: journal.now, wall=lambda: journal.at)
