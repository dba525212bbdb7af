"""Runs inside an agent's sandbox as its pid 1: the shell, commands in it, and files.

Standard library only, for whatever python3 (3.11 and up) the system has. It talks to the keeper
over an inherited socket (descriptor 3). It is a convenience, trusted for nothing: it runs as the
same user as the agent's processes, and the keeper checks and bounds whatever comes from here.

The shell is an interactive bash in a tmux pane. A command is a file that this bash sources with
its output in a named pipe; bash says at each prompt how the last line ended. What came through the
pipe is passed on to the keeper, and shown in the pane for whoever is attached.
"""

from __future__ import annotations

import errno
import os
import selectors
import signal
import time
from collections import deque
from collections.abc import Callable

from verifier.inside import exec_files
from verifier.inside.exec_channel import Channel, Header
from verifier.inside.exec_command import Command, read_some
from verifier.inside.exec_pane import RUN, Pane, PaneError
from verifier.inside.exec_processes import bury, family, kill_all, processes, send, send_group
from verifier.inside.exec_viewers import Viewers

_CHANNEL = 3
_INTERRUPT_GRACE = 2.0
_KILL_GRACE = 1.5
_FLUSH_GRACE = 0.05
_SHELL_PATIENCE = 15.0
_LINGERING = 32

_NEW_SHELL = "was started anew; its directory and variables are lost"


class Server:
    """The loop: frames from the keeper, prompts from bash, output from commands."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.selector = selectors.DefaultSelector()
        self.pane = Pane()
        self.workdir = os.getcwd()
        self.count = 0
        self.pressed: deque[str] = deque(maxlen=_LINGERING)  # names of keystrokes, newest last
        self.current: Command | None = None
        self.lingering: list[int] = []
        self.viewers = Viewers(channel, self._watch, self.selector.unregister)
        self.ready = False
        self.shell_deadline: float | None = None
        self.steps: list[tuple[float, Callable[[Command], None]]] = []
        self.prompts = b""

    def run(self) -> None:
        """Until the keeper closes the channel."""
        os.mkfifo(f"{RUN}/prompt", 0o600)
        control = os.open(f"{RUN}/prompt", os.O_RDWR | os.O_NONBLOCK)
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_read, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _nothing)
        signal.signal(signal.SIGINT, _nothing)
        self._watch(self.channel.socket.fileno(), self.on_channel)
        self._watch(control, lambda: self.on_prompt(control))
        self._watch(wake_read, lambda: drain(wake_read))
        self.start_shell(anew=False)
        self.channel.send({"event": "ready"})
        while True:
            for key, _ in self.selector.select(self.patience()):
                # An earlier one of this batch may have closed this descriptor, or reused it.
                if self.selector.get_map().get(key.fd) is key:
                    key.data()
            self.on_time()
            bury()

    def _watch(self, fd: int, then: Callable[[], object]) -> None:
        self.selector.register(fd, selectors.EVENT_READ, then)

    def patience(self) -> float | None:
        """Seconds until something is due."""
        moments = [when for when, _ in self.steps]
        if self.current is not None and self.current.over_at is not None:
            moments.append(self.current.over_at)
        if self.shell_deadline is not None:
            moments.append(self.shell_deadline)
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def on_time(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        while self.steps and self.steps[0][0] <= now and self.current is not None:
            self.steps.pop(0)[1](self.current)
        current = self.current
        if current is not None and current.over_at is not None and current.over_at <= now:
            self.finish(current)
        if self.shell_deadline is not None and self.shell_deadline <= now:
            self.start_shell(anew=True)

    # the shell

    def start_shell(self, *, anew: bool) -> None:
        """Start bash (again); commands wait until it shows its first prompt."""
        if self.pane.pidfd is not None:
            self.selector.unregister(self.pane.pidfd)
        self.ready = False
        self.shell_deadline = time.monotonic() + _SHELL_PATIENCE
        try:
            if anew:
                self.pane.respawn(self.workdir)
            else:
                self.pane.start(self.workdir)
        except (PaneError, OSError, ValueError):
            # Something in here holds every process or the tmux server: end all of it.
            self.pane.forget()
            kill_all()
            self.pane.start(self.workdir)
        if self.pane.pidfd is not None:
            self._watch(self.pane.pidfd, self.on_shell_end)

    def on_shell_end(self) -> None:
        """`exit`, `exec` or a signal ended bash: the command is over, the session is not."""
        code = self.pane.how_it_ended()
        self.start_shell(anew=True)
        if self.current is not None and self.current.typed:
            self.current.notes.append(f"the shell ended and {_NEW_SHELL}")
            self.finish_soon(self.current, code)

    def on_prompt(self, control: int) -> None:
        """bash shows a prompt: it has started, or it has come back from a command."""
        *lines, self.prompts = (self.prompts + drain(control)).split(b"\n")
        self.prompts = self.prompts[-4096:]
        for line in lines:
            words = line.split()
            command = self.current
            if not self.ready:
                self.ready, self.shell_deadline = True, None
                self.type_current()
            elif command is not None and command.typed and line_is_of(words, command):
                self.finish_soon(command, int(words[0]))

    def type_current(self) -> None:
        """Give the waiting command to bash, if both are there."""
        command = self.current
        if command is None or command.typed or command.over_at is not None or not self.ready:
            return
        command.before = set(processes())
        command.typed = self.pane.type(command.line())
        if command.typed:
            self.pane.show(b"\x1b[1m" + command.script[:2000].rstrip(b"\n") + b"\x1b[0m\n")
            return
        # Too many processes, or no tmux: what earlier commands left behind has to go.
        kill_all()
        self.start_shell(anew=False)
        if command.notes:
            command.notes.append("it was not started")
            self.finish_soon(command, None)
        else:
            command.notes.append(
                "the shell could not be reached: every process in the sandbox was ended and the "
                "shell started anew before this command"
            )

    # frames

    def on_channel(self) -> None:
        """The keeper wants something."""
        for header, payload in self.channel.receive():
            current = self.current
            if header["op"] == "run":
                self.begin(header, payload)
            elif header["op"] == "interrupt":
                if current is not None and current.name == header["command"]:
                    self.interrupt(current)
            elif header["op"] in ("press", "screen"):
                self.on_terminal(header, payload)
            elif "viewer" in header:
                self.viewers.answer(header, payload)
            else:
                self.on_file(header, payload)

    def begin(self, header: Header, script: bytes) -> None:
        """A new command; the keeper sends the next one after the end of this one."""
        self.count += 1
        name, head, tail = header["command"], header["head"], header["tail"]
        try:
            command = Command(name, self.count, script, head, tail, rate=header["rate"])
        except OSError as error:  # the agent filled or removed our folder
            note = f"it could not be started: {error}"
            done = {"event": "done", "command": name, "code": None, "omitted": 0, "note": note}
            self.channel.send(done)
            return
        self.current = command
        if command.pipe is not None:
            self._watch(command.pipe, lambda: self.on_output(command))
        self.type_current()

    def on_terminal(self, header: Header, payload: bytes) -> None:
        """Press keys in the pane, once for each name, or say what it shows."""
        answer: Header = {"event": "reply", "number": header["number"]}
        data: bytes | None = b""
        if header["op"] == "screen":
            data = self.pane.text()
        elif header["name"] not in self.pressed:
            self.pressed.append(header["name"])
            if not self.pane.press(payload.decode("utf-8", "replace")):
                data = None
        if data is None:  # too many processes, or no tmux: as for a command that cannot begin
            kill_all()
            self.start_shell(anew=False)
            answer["errno"] = errno.EIO
        self.channel.send(answer, data or b"")

    def on_file(self, header: Header, payload: bytes) -> None:
        """Read, write or describe a file."""
        answer: Header = {"event": "reply", "number": header["number"]}
        data = b""
        try:
            if header["op"] == "read":
                data = exec_files.read(header["path"], header["limit"])
            elif header["op"] == "write":
                exec_files.write(header["path"], payload, header["mode"])
            elif header["op"] == "stat":
                answer["stat"] = exec_files.describe(header["path"])
        except OSError as error:
            answer["errno"] = error.errno or errno.EIO
        except ValueError:  # a zero byte in the path
            answer["errno"] = errno.EINVAL
        self.channel.send(answer, data)

    # the current command

    def take(self, command: Command, data: bytes) -> None:
        """Output, for the keeper and for the pane."""
        command.take(data, lambda some: self.pass_on(command, some))
        self.pane.show(data)

    def pass_on(self, command: Command, data: bytes) -> None:
        """Output, for the keeper."""
        self.channel.send({"event": "output", "command": command.name}, data)

    def on_output(self, command: Command) -> None:
        """Something came through a command's pipe, or its last writer left."""
        if command.pipe is None:
            return
        data, open_ = read_some(command.pipe)
        if data:
            self.take(command, data)
        elif not open_:
            self.selector.unregister(command.pipe)
            os.close(command.pipe)
            command.pipe = None
            if command.over_at is not None:
                self.finish(command)

    def finish_soon(self, command: Command, code: int | None) -> None:
        """The command is over; what it still writes is waited for very briefly."""
        if command.over_at is not None:
            return
        self.steps = []
        command.over_at, command.code = time.monotonic() + _FLUSH_GRACE, code
        for _ in range(1024):
            data, open_ = (b"", False) if command.pipe is None else read_some(command.pipe)
            if data:
                self.take(command, data)
            elif open_:
                return
            else:
                break
        self.finish(command)

    def finish(self, command: Command) -> None:
        """Tell the keeper."""
        self.current = None
        if command.pipe is not None:  # processes in the background hold it: let them write on
            self.selector.unregister(command.pipe)
            self.linger(command.pipe)
        command.end_stream(lambda some: self.pass_on(command, some))
        done = {
            "event": "done",
            "command": command.name,
            "code": command.code,
            "omitted": command.omitted,
            "note": "; ".join(command.notes),
        }
        self.channel.send(done, bytes(command.tail))
        command.remove()

    def linger(self, pipe: int) -> None:
        """Go on reading what background processes write, for the pane alone."""

        def on_output() -> None:
            data, open_ = read_some(pipe)
            self.pane.show(data)
            if not data and not open_:
                self.close_lingering(pipe)

        self.lingering.append(pipe)
        self._watch(pipe, on_output)
        if len(self.lingering) > _LINGERING:
            self.close_lingering(self.lingering[0])

    def close_lingering(self, pipe: int) -> None:
        """Nobody writes there any more, or there are too many."""
        self.lingering.remove(pipe)
        self.selector.unregister(pipe)
        os.close(pipe)

    # ending a command

    def interrupt(self, command: Command) -> None:
        """As if someone had pressed Ctrl-C; then, step by step, by force."""
        if command.over_at is not None or self.steps:
            return
        if not command.typed:
            command.notes.append("it was not started")
            self.finish_soon(command, None)
            return
        group = self.pane.foreground()
        if group is not None:
            send_group(group, signal.SIGINT)
        due = time.monotonic() + _INTERRUPT_GRACE
        self.steps = [(due, self.kill_processes), (due + _KILL_GRACE, self.replace_shell)]

    def kill_processes(self, command: Command) -> None:
        """End what this command started, except for daemons that left the shell's session."""
        command.notes.append("it did not end at Ctrl-C: its processes were killed")
        for _ in range(50):
            victims = family(self.pane.pid, command.before)
            if not victims:
                return
            for pid in victims:
                send(pid, signal.SIGKILL)
            bury()

    def replace_shell(self, command: Command) -> None:
        """Bash itself is stuck, or a fork bomb outruns being killed one by one."""
        command.notes.append(f"the shell did not come back and {_NEW_SHELL}")
        bomb = family(self.pane.pid, command.before)
        if bomb:
            kill_all()
        self.start_shell(anew=not bomb)
        self.finish_soon(command, None)


def _nothing(*_: object) -> None:
    """A handler, so that pid 1 wakes up for a signal; exec resets it for what it starts."""


def line_is_of(words: list[bytes], command: Command) -> bool:
    """Whether a prompt's line (exit status, command) is about this command."""
    return len(words) == 2 and words[0].isdigit() and words[1] == b"%d" % command.number


def drain(fd: int) -> bytes:
    """What can be read from a descriptor right now, up to a bound."""
    data = b""
    while len(data) < 65536:
        try:
            chunk = os.read(fd, 4096)
        except BlockingIOError:
            break
        if not chunk:
            break
        data += chunk
    return data


def main() -> None:
    """Serve the keeper on descriptor 3."""
    Server(Channel(_CHANNEL)).run()
