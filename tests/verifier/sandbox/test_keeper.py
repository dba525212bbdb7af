"""The keeper for real: commands, silence, death, and an engine that comes back."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from verifier.sandbox import cgroups, hierarchy, places, uids
from verifier.sandbox.keeper import connecting, protocol
from verifier.sandbox.keeper.__main__ import prefix
from verifier.sandbox.keeper.client import (
    KeeperClient,
    KeeperError,
    KeeperLostError,
    SandboxFrozenError,
    SandboxGoneError,
)
from verifier.sandbox.keeper.connecting import connect, ensure_keeper
from verifier.sandbox.spec import Limits, Mount, SandboxSpec

LIMITS = Limits(memory_mb=512, pids=64, tmp_mb=64)


async def soon(holds: Callable[[], Awaitable[object]], what: str, patience: float = 20.0) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if await holds():
            return
        await asyncio.sleep(0.02)
    pytest.fail(f"in {patience:.0f} s it did not come true that {what}")


def keeper_pid(state_dir: Path) -> int | None:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if b"verifier.sandbox.keeper" in words and os.fsencode(state_dir) in words:
                return int(entry.name)
    return None


@pytest.fixture
async def keeper(sandbox_backend: object, state_dir: Path) -> AsyncIterator[KeeperClient]:
    client = await ensure_keeper(state_dir, state_dir / "keeper.sock")
    yield client
    with contextlib.suppress(KeeperLostError):  # a test may have ended it
        if not client.connected:
            client = await connect(state_dir / "keeper.sock")
        await client.shutdown()
    await soon(lambda: gone(state_dir), "the keeper has ended")
    assert list(cgroups.leftovers(hierarchy.discover(), prefix(state_dir))) == []


def environment(pid: int | None) -> list[bytes]:
    return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


async def gone(state_dir: Path) -> bool:
    return keeper_pid(state_dir) is None


@pytest.fixture
def spec(state_dir: Path, source: Path) -> SandboxSpec:
    workspace = places.make_workspace(state_dir, source, uids.identity().host_uid("agent", 1))
    mounts = (Mount(workspace, "/app", writable=True),)
    return SandboxSpec(
        label="ignored", role="agent", slot=1, mounts=mounts, workdir="/app", limits=LIMITS
    )


class Shell:
    def __init__(self, keeper: KeeperClient) -> None:
        self.keeper = keeper
        self.count = 0

    async def __call__(self, script: str, limit: float | None = 60) -> protocol.CommandResult:
        self.count += 1
        return await self.keeper.run("s1", f"c{self.count}", script, limit)


@pytest.fixture
async def shell(keeper: KeeperClient, spec: SandboxSpec) -> Shell:
    await keeper.create("s1", spec)
    return Shell(keeper)


async def test_a_command_runs_in_the_workspace_with_its_code_and_output(shell):
    result = await shell(
        "pwd; cat hello.txt; echo err >&2; id -u; exit_code() { return 3; }; exit_code"
    )
    assert result.output == b"/app\nhello\nerr\n1000\n"
    assert result.code == 3 and not result.timed_out and not result.truncated and not result.note


async def test_directory_variables_and_functions_persist(shell):
    await shell("cd /tmp; export A=1; B=2; declare -A M; M[k]=v; f() { echo from f; }")
    result = await shell("pwd; env | grep ^A=; echo $B ${M[k]}; f")
    assert result.output == b"/tmp\nA=1\n2 v\nfrom f\n"


async def test_output_is_kept_byte_for_byte(shell):
    result = await shell(r"printf 'a\0b\xff\xfe\r\n\x1b[31m\t no newline at the end'")
    assert result.output == b"a\0b\xff\xfe\r\n\x1b[31m\t no newline at the end"


async def test_big_output_keeps_head_and_tail_and_counts_the_rest(shell):
    result = await shell("seq 1 2000000")
    whole = "".join(f"{n}\n" for n in range(1, 2000001)).encode()
    head, _, rest = result.output.partition(b"\n[... ")
    count, _, tail = rest.partition(b" bytes left out ...]\n")
    assert whole.startswith(head) and whole.endswith(tail)
    assert int(count) == result.omitted == len(whole) - len(head) - len(tail)
    assert len(result.output) < protocol.OUTPUT_LIMIT + 100


async def test_a_time_limit_interrupts_the_command_and_the_shell_lives_on(shell):
    await shell("cd /tmp; KEPT=yes")
    result = await shell("echo before; sleep 600; echo after", 0.5)
    assert result.timed_out and result.code is None and result.output == b"before\n"
    assert "time limit of 0.5 s" in result.note
    assert (await shell("pwd; echo $KEPT")).output == b"/tmp\nyes\n"


async def test_a_command_that_ignores_the_interrupt_is_killed(shell):
    result = await shell("trap '' INT; sh -c \"trap '' INT TERM; sleep 611 & sleep 612\"", 0.3)
    assert result.timed_out and "were killed" in result.note
    left = await shell("trap - INT; ps axo args | grep -c 'sleep 61[12]'")
    assert left.output == b"0\n"


async def test_a_shell_that_is_stuck_is_replaced(shell):
    result = await shell("cd /tmp; trap '' INT; while :; do :; done", 0.3)
    assert result.timed_out and "started anew" in result.note
    assert (await shell("pwd")).output == b"/app\n"


async def test_background_processes_hold_up_nothing_and_live_on(shell):
    result = await shell("(while :; do sleep 0.05; echo tick; done) & echo $! > /tmp/pid; echo up")
    assert result.code == 0 and b"up" in result.output
    assert (await shell("sleep 0.2; kill -0 $(cat /tmp/pid) && echo alive")).output == b"alive\n"


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 5", 5), ("exec sh -c 'exit 6'", 6), ("set -e; false; echo no", 1)],
)
async def test_a_command_that_ends_the_shell_gets_a_new_one(shell, script, code):
    result = await shell(script)
    assert result.code == code and "started anew" in result.note
    assert (await shell("echo ok")).output == b"ok\n"


@pytest.mark.parametrize(
    "script",
    ["kill -9 -1", "tmux kill-server; sleep 600", "kill -9 $$", "pkill -9 tmux; sleep 600"],
)
async def test_a_command_that_kills_everything_wedges_nothing(shell, script):
    await shell(script, 20)
    assert (await shell("echo ok", 20)).output == b"ok\n"


async def test_a_script_that_takes_the_prompt_over_still_ends(shell):
    result = await shell("PROMPT_COMMAND='echo mine'; PS1='mine '; (exit 7)", 20)
    assert result.code == 7 and not result.timed_out
    assert (await shell("echo ok; (exit 8)", 20)).code == 8


async def test_bad_syntax_is_a_result(shell):
    result = await shell("if then 'unterminated")
    assert result.code not in (0, None) and b"unexpected" in result.output
    assert (await shell("echo ok")).output == b"ok\n"


async def test_a_command_that_reads_input_gets_none(shell):
    assert (await shell("cat; read x; echo [$x]")).output == b"[]\n"


async def test_a_tmux_client_can_run_nothing_on_the_host(shell, tmp_path):
    marker = Path(f"/tmp/autolab-escape-{os.getpid()}")
    result = await shell(
        f"tmux detach-client -E 'touch {marker}'; tmux run-shell 'touch {marker}'; "
        f"tmux new-window 'touch {marker}'; sleep 0.3; ls {marker}"
    )
    assert not os.path.exists(marker)  # noqa: ASYNC240, PTH110 - a moment's look
    assert os.fsencode(marker) in result.output


async def test_a_person_who_looks_at_the_pane_sees_the_output(shell):
    await shell("echo visible in the pane")
    result = await shell("tmux capture-pane -p -t agent")
    assert b"visible in the pane" in result.output


async def test_a_fork_bomb_leaves_a_working_session(shell):
    await shell("f() { f | f & }; f; sleep 600", 0.5)
    assert (await shell("echo ok", 30)).output.endswith(b"ok\n")


async def test_the_same_command_id_runs_once(keeper, shell):
    script = "echo run >> /tmp/runs; sleep 0.3; cat /tmp/runs"
    results = await asyncio.gather(*(keeper.run("s1", "same", script) for _ in range(3)))
    assert {r.output for r in results} == {b"run\n"}
    assert (await keeper.run("s1", "same", script)).output == b"run\n"


async def test_commands_of_one_sandbox_wait_for_each_other(keeper, shell):
    first, second = await asyncio.gather(
        keeper.run("s1", "a", "sleep 0.2; echo 1 >> /tmp/order"),
        keeper.run("s1", "b", "echo 2 >> /tmp/order; cat /tmp/order"),
    )
    assert first.code == 0 and second.output == b"1\n2\n"


async def test_files(keeper, shell):
    await keeper.write_file("s1", "/app/new/folder/file.bin", b"\0\xff", 0o755)
    assert await keeper.read_file("s1", "/app/new/folder/file.bin") == b"\0\xff"
    stat = await keeper.stat("s1", "/app/new/folder/file.bin")
    assert stat is not None and (stat.kind, stat.size, stat.mode) == ("file", 2, 0o755)
    await keeper.write_file("s1", "/app/new/folder/file.bin", b"replaced")
    stat = await keeper.stat("s1", "/app/new/folder/file.bin")
    assert stat is not None and (stat.size, stat.mode) == (8, 0o755)
    folder = await keeper.stat("s1", "/app")
    assert folder is not None and folder.kind == "directory"
    assert await keeper.stat("s1", "/app/absent") is None
    big = os.urandom(3 << 20)
    await keeper.write_file("s1", "/tmp/big", big)
    assert await keeper.read_file("s1", "/tmp/big") == big


async def test_file_errors_are_os_errors(keeper, shell):
    with pytest.raises(FileNotFoundError, match="/app/absent"):
        await keeper.read_file("s1", "/app/absent")
    with pytest.raises(IsADirectoryError):
        await keeper.read_file("s1", "/app")
    with pytest.raises(OSError, match="Read-only"):
        await keeper.write_file("s1", "/usr/x", b"")
    with pytest.raises(OSError, match="too large"):
        await keeper.read_file("s1", "/app/hello.txt", limit=2)
    await shell("mkfifo /tmp/pipe; ln -s /proc/self/mem /tmp/mem")
    with pytest.raises(OSError, match="Invalid argument"):
        await keeper.read_file("s1", "/tmp/pipe")
    with pytest.raises(OSError, match="Invalid argument"):
        await keeper.read_file("s1", "/tmp/nul\0byte")


async def test_freezing_stops_the_clock_of_a_command(keeper, shell):
    command = asyncio.create_task(shell("while :; do :; done", 1.0))

    async def busy():
        (info,) = await keeper.list()
        return info.running == "c1" and (info.cpu_seconds or 0) > 0.1

    await soon(busy, "the command runs")
    frozen = await keeper.freeze("s1")
    assert frozen.frozen and frozen.frozen_by == "command" and frozen.frozen_since is not None
    before = (await keeper.list())[0].cpu_seconds
    await asyncio.sleep(1.2)
    assert not command.done()
    assert (await keeper.list())[0].cpu_seconds == pytest.approx(before, abs=0.02)
    assert not (await keeper.thaw("s1")).frozen
    result = await command
    assert result.timed_out and result.code is None


async def test_nothing_new_begins_in_a_frozen_sandbox(keeper, shell):
    done = await shell("echo done")
    await keeper.freeze("s1")
    with pytest.raises(SandboxFrozenError, match="thaw it first"):
        await shell("echo no")
    with pytest.raises(SandboxFrozenError):
        await keeper.read_file("s1", "/app/hello.txt")
    assert await keeper.run("s1", "c1", "") == done
    await keeper.thaw("s1")
    assert (await shell("echo yes")).output == b"yes\n"


async def test_killing_ends_everything_and_keeps_the_results(keeper, shell, host_processes):
    marker = f"55{os.getpid()}"
    first = await shell(f"sleep {marker} & echo one")
    waiting = asyncio.create_task(shell(f"sleep {marker}"))

    async def running():
        return (await keeper.list())[0].running == "c2"

    await soon(running, "the second command runs")
    await keeper.freeze("s1")
    await keeper.kill("s1")
    assert host_processes(marker) == []
    cut = await waiting
    assert cut.code is None and "killed" in cut.note
    assert await keeper.run("s1", "c1", "anything") == first
    with pytest.raises(SandboxGoneError):
        await keeper.run("s1", "c3", "echo no")
    (info,) = await keeper.list()
    assert not info.alive and not info.frozen
    await keeper.kill("s1")
    await keeper.kill("never-was")


async def test_a_sandbox_that_ran_out_of_memory_comes_back(keeper, shell, sandbox_backend):
    if sandbox_backend.controllers.memory is None:
        pytest.skip("needs a memory control group (root or a delegated cgroup v2)")
    script = "head -c 600M /dev/zero > /dev/shm/x; python3 -c 'b = b\"x\" * (900 << 20)'; echo rest"
    await shell(script, 30)
    result = await shell("echo alive", 30)
    assert result.output == b"alive\n"


async def test_errors_name_what_is_wrong(keeper, spec):
    with pytest.raises(SandboxGoneError, match="nobody"):
        await keeper.run("nobody", "c", "true")
    with pytest.raises(KeeperError, match=r"\.\./x"):
        await keeper.create("../x", spec)
    with pytest.raises(KeeperError, match="/no/such/folder"):
        mounts = (Mount(Path("/no/such/folder"), "/app"),)
        await keeper.create("s2", SandboxSpec(label="x", role="agent", mounts=mounts))
    assert await keeper.list() == []


async def test_creating_twice_leaves_the_living_one(keeper, spec):
    await keeper.create("s1", spec)
    await keeper.run("s1", "c1", "KEPT=1")
    await keeper.create("s1", spec)
    assert (await keeper.run("s1", "c2", "echo $KEPT")).output == b"1\n"


async def test_two_sandboxes_cannot_see_each_other(keeper, spec):
    other = SandboxSpec(label="x", role="agent", slot=2, limits=LIMITS)
    await keeper.create("s1", spec)
    await keeper.create("s2", other)
    await keeper.run("s1", "c1", "sleep 600 & echo secret > /tmp/note; echo secret > /dev/shm/note")
    result = await keeper.run(
        "s2", "c1", "ls /tmp /dev/shm /app 2>/dev/null; pgrep sleep; ls /run/shell/../autolab"
    )
    assert b"note" not in result.output and b"hello" not in result.output
    assert b"exec_server.py" in result.output


async def test_the_socket_is_the_owners_alone(keeper, state_dir):
    assert (state_dir / "keeper.sock").stat().st_mode & 0o777 == 0o600


async def test_the_keeper_has_no_key_in_its_environment(keeper, state_dir):
    pid = keeper_pid(state_dir)
    names = {v.partition(b"=")[0] for v in environment(pid) if v}
    assert names <= {b"PATH", b"HOME", b"LANG", b"PYTHONPATH", b"LC_CTYPE"}
    assert os.getsid(pid) == pid


# silence


async def test_a_silent_engine_freezes_all_and_a_new_one_goes_on(state_dir, spec, keeper):
    await keeper.create("s1", spec)
    script = "until [ -e /tmp/go ]; do date +%N > /tmp/n; sleep 0.02; done; echo finished"
    command = asyncio.create_task(keeper.run("s1", "long", script))

    async def counting():
        return await keeper.stat("s1", "/tmp/n") is not None

    await soon(counting, "the command counts")
    await keeper.close()
    with pytest.raises(KeeperLostError):
        await command
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    await asyncio.sleep(protocol.SILENCE_SECONDS + 0.5)
    told: list[protocol.SandboxInfo] = []
    async with await connect(state_dir / "keeper.sock", told.extend) as back:
        (info,) = await back.list()
        assert info.alive and info.frozen and info.frozen_by == "silence"
        assert info.running == "long" and info.frozen_since is not None
        lag = info.frozen_since - before
        assert -0.5 < lag < protocol.SILENCE_SECONDS + 2
        cpu = info.cpu_seconds
        await asyncio.sleep(0.3)
        (still,) = await back.list()
        assert still.frozen and still.cpu_seconds == pytest.approx(cpu, abs=0.01)
        assert [t.id for t in told] == ["s1"]
        await back.thaw("s1")
        await back.write_file("s1", "/tmp/go", b"")
        result = await back.run("s1", "long", "not run again")
        assert result.code == 0 and result.output == b"finished\n"
        await back.shutdown()


ENGINE = """
import asyncio, sys
from pathlib import Path
from verifier.sandbox.keeper.connecting import connect
async def main():
    keeper = await connect(Path(sys.argv[1]))
    task = asyncio.create_task(keeper.run("s1", "work", "sleep 0.6; echo result"))
    await asyncio.sleep(0.3)
    print("ready", flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


async def test_the_result_of_a_killed_engines_command_is_collected(keeper, spec, state_dir):
    await keeper.create("s1", spec)
    await keeper.close()
    engine = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ENGINE, str(state_dir / "keeper.sock"), stdout=subprocess.PIPE
    )
    assert engine.stdout is not None
    assert await engine.stdout.readline() == b"ready\n"
    engine.kill()
    await engine.wait()
    async with await ensure_keeper(state_dir, state_dir / "keeper.sock") as back:
        result = await back.run("s1", "work", "")
        assert result.output == b"result\n" and result.code == 0
        await back.shutdown()
    async with await ensure_keeper(state_dir, state_dir / "keeper.sock") as later:
        assert await later.list() == []
        assert await later.run("s1", "work", "") == result  # from the files
        await later.shutdown()


async def test_a_second_engine_takes_over(keeper, state_dir, spec):
    await keeper.create("s1", spec)
    async with await connect(state_dir / "keeper.sock") as second:
        assert [info.id for info in await second.list()] == ["s1"]

        async def replaced():
            return not keeper.connected

        await soon(replaced, "the first engine knows")
        with pytest.raises(KeeperLostError, match="took over"):
            await keeper.list()


async def test_one_keeper_for_a_state_directory(keeper, state_dir):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "verifier.sandbox.keeper", "--state", str(state_dir)),
        *("--socket", str(state_dir / "other.sock")),
        stderr=subprocess.PIPE,
    )
    _, complaint = await process.communicate()
    assert process.returncode == protocol.ALREADY_RUNNING
    assert str(state_dir).encode() in complaint


async def test_ensure_is_safe_from_many_sides_at_once(sandbox_backend, state_dir):
    clients = await asyncio.gather(
        *(ensure_keeper(state_dir, state_dir / "keeper.sock") for _ in range(4))
    )
    assert sum(client.connected for client in clients) >= 1
    for client in clients:
        await client.close()
    last = await connect(state_dir / "keeper.sock")
    await last.shutdown()
    await soon(lambda: gone(state_dir), "the keeper has ended")


async def test_a_keeper_that_cannot_start_says_why(state_dir, monkeypatch):
    monkeypatch.setattr(connecting, "_START_PATIENCE", 10)
    bad = state_dir / "missing" / "folder" / "keeper.sock"
    with pytest.raises(KeeperError, match=r"keeper\.log"):
        await ensure_keeper(state_dir, bad)


async def test_killing_the_keeper_takes_every_sandbox_with_it(
    sandbox_backend, state_dir, spec, host_processes, eventually
):
    marker = f"66{os.getpid()}"
    keeper = await ensure_keeper(state_dir, state_dir / "keeper.sock")
    await keeper.create("s1", spec)
    await keeper.run("s1", "c1", f"setsid sleep {marker} & (sleep {marker} &) ; echo started")
    await keeper.create("s2", SandboxSpec(label="x", role="agent", slot=2, limits=LIMITS))
    await keeper.run("s2", "c1", f"sleep {marker} & echo started")
    await keeper.freeze("s2")
    assert len(host_processes(marker)) >= 3
    pid = keeper_pid(state_dir)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(KeeperLostError):
        while True:
            await keeper.list()
    await keeper.close()
    await asyncio.to_thread(eventually, lambda: host_processes(marker) == [], "all are gone")
    async with await ensure_keeper(state_dir, state_dir / "keeper.sock") as after:
        assert list(cgroups.leftovers(hierarchy.discover(), prefix(state_dir))) == []
        assert await after.list() == []
        assert (await after.run("s1", "c1", "")).output.endswith(b"started\n")
        await after.shutdown()


async def test_sigterm_ends_it_in_good_order(sandbox_backend, state_dir, spec, eventually):
    keeper = await ensure_keeper(state_dir, state_dir / "keeper.sock")
    await keeper.create("s1", spec)
    pid = keeper_pid(state_dir)
    assert pid is not None
    os.kill(pid, signal.SIGTERM)
    await soon(lambda: gone(state_dir), "the keeper has ended")
    assert not (state_dir / "keeper.sock").exists()
    await keeper.close()
    assert list(cgroups.leftovers(hierarchy.discover(), prefix(state_dir))) == []


async def read_to_end(keeper: KeeperClient, command: str) -> bytes:
    """All that a command prints, followed piece by piece."""
    said, after = b"", 0
    while True:
        printed = await keeper.follow("s1", command, after, 20)
        missed = printed.start - after  # by a reader that was slower than the window is large
        said += b"?" * missed + printed.data
        after = printed.start + len(printed.data)
        if printed.over:
            return said


async def something(keeper: KeeperClient, command: str, after: int = 0) -> protocol.Printed:
    """The first that is heard of a command."""
    deadline = time.monotonic() + 20
    while not (printed := await keeper.follow("s1", command, after, 1)).data:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    return printed


async def test_output_can_be_followed_while_the_command_runs(keeper, spec):
    await keeper.create("s1", spec)
    script = "echo one; until [ -e go ]; do sleep 0.05; done; echo two; (exit 3)"
    running = asyncio.create_task(keeper.run("s1", "c1", script, rate=1024))
    first = await something(keeper, "c1")
    assert (first.start, first.data, first.over) == (0, b"one\n", False)
    nothing = await keeper.follow("s1", "c1", 4, 0.05)
    assert (nothing.start, nothing.data, nothing.over) == (4, b"", False)
    await keeper.write_file("s1", "/app/go", b"")
    assert await read_to_end(keeper, "c1") == b"one\ntwo\n"
    result = await running
    assert (result.code, result.output) == (3, b"one\ntwo\n")
    unknown = await keeper.follow("s1", "c2", 0, 0.1)
    assert (unknown.data, unknown.over) == (b"", False)


async def test_a_flood_of_output_is_followed_with_gaps_that_are_counted(keeper, spec):
    await keeper.create("s1", spec)
    size = 8 << 20
    script = f"head -c {size} /dev/zero | tr '\\0' x; echo; echo the last line"
    running = asyncio.create_task(keeper.run("s1", "c1", script, rate=1024))
    said = await read_to_end(keeper, "c1")
    result = await running
    left_out = sum(int(n) for n in re.findall(rb"\n\[\.\.\. (\d+) bytes left out", said))
    shown = re.sub(rb"\n\[\.\.\. \d+ bytes left out \.\.\.\]\n", b"", said)
    assert len(shown) + left_out == size + len(b"\nthe last line\n")
    assert left_out > 6 << 20
    assert said.endswith(b"\nthe last line\n")
    assert result.output.endswith(b"x\nthe last line\n")
    assert len(result.output) < protocol.OUTPUT_LIMIT + 100


async def test_an_engine_that_comes_back_follows_on_where_the_last_one_stood(
    keeper, spec, state_dir
):
    await keeper.create("s1", spec)
    script = "echo one; until [ -e go ]; do sleep 0.05; done; echo two"
    asking = asyncio.create_task(keeper.run("s1", "c1", script, rate=1024))
    assert (await something(keeper, "c1")).data == b"one\n"
    await keeper.close()
    with pytest.raises(KeeperLostError):
        await asking
    async with await connect(state_dir / "keeper.sock") as again:
        await again.thaw("s1")
        await again.write_file("s1", "/app/go", b"")
        joined = asyncio.create_task(again.run("s1", "c1", "never run", rate=1024))
        rest = await something(again, "c1", 4)
        assert (rest.start, rest.data) == (4, b"two\n")
        assert (await joined).output == b"one\ntwo\n"
