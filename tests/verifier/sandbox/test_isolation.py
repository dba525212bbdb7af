"""What a process inside can see and reach: nothing of the host but its toolchain."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from verifier.sandbox import places, uids
from verifier.sandbox.spec import Mount, SandboxUnavailableError


def test_it_is_an_unprivileged_user_without_capabilities(lab):
    ran = lab.run("id -u; id -un; grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status")
    assert ran.out.split() == [
        "1000", "agent", "CapEff:", "0000000000000000", "CapBnd:", "0000000000000000",
        "NoNewPrivs:", "1", "Seccomp:", "2",
    ]  # fmt: skip


def test_no_network_reaches_the_host(lab):
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        abstract.bind(f"\0autolab-test-{os.getpid()}")
        abstract.listen()
        script = f"""
import socket
def attempt(family, address):
    try:
        with socket.socket(family, socket.SOCK_STREAM) as s:
            s.settimeout(5); s.connect(address); print("reached", address)
    except OSError as error:
        print("failed")
attempt(socket.AF_INET, ("127.0.0.1", {listener.getsockname()[1]}))
attempt(socket.AF_INET, ("169.254.169.254", 80))
attempt(socket.AF_INET, ("1.1.1.1", 53))
attempt(socket.AF_INET6, ("2606:4700:4700::1111", 53))
attempt(socket.AF_UNIX, "\\0autolab-test-{os.getpid()}")
try:
    socket.getaddrinfo("example.com", 80); print("resolved")
except OSError:
    print("failed")
"""
        ran = lab.python(script)
    assert ran.out.split() == ["failed"] * 6, ran
    assert lab.run("tail -n +3 /proc/net/dev | cut -d: -f1").out.split() == ["lo"]


def test_a_unix_socket_of_the_host_is_not_there(lab, state_dir):
    path = state_dir / "engine.sock"
    with socket.socket(socket.AF_UNIX) as engine:
        engine.bind(str(path))
        engine.listen()
        path.chmod(0o777)
        ran = lab.run(f"test -e {path} && echo there; find / -xdev -type s 2>/dev/null")
    assert ran.out == ""


def test_homes_and_other_folders_of_the_host_are_not_there(lab, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("canary")
    here = Path(__file__).resolve().parents[3]
    paths = [secret, Path.home() / ".profile", here / "pyproject.toml", Path("/etc/shadow")]
    ran = lab.run("".join(f"test -e {path} && echo {path}\n" for path in paths) + "ls -A /home")
    assert ran.out.split() == ["agent"]
    top = lab.run("ls -A /").out.split()
    assert {name.rstrip("3264x") for name in top} == {
        *("bin", "dev", "etc", "home", "lib", "proc", "sbin", "tmp", "usr", "var")
    }


def test_another_workspace_is_neither_visible_nor_readable(lab, state_dir, source):
    identity = uids.identity()
    mine = places.make_workspace(state_dir, source, identity.host_uid("run", 1))
    other = places.make_workspace(state_dir, source, identity.host_uid("run", 2))
    spec = lab.spec(slot=1, mounts=(Mount(mine, "/app", writable=True),), workdir="/app")
    ran = lab.run(f"cat hello.txt; sub/run.sh; echo new > made; ls {other} {mine}", spec)
    assert ran.out == "hello\nran\n"
    assert (mine / "made").read_text() == "new\n"
    assert (mine / "made").stat().st_uid == identity.host_uid("run", 1)
    if identity.level == "full":
        assert other.stat().st_uid != mine.stat().st_uid


def test_a_read_only_mount_cannot_be_changed(lab, state_dir, source):
    workspace = places.make_workspace(state_dir, source, uids.identity().host_uid("run", 0))
    spec = lab.spec(mounts=(Mount(workspace, "/app"),))
    ran = lab.run("cat /app/hello.txt; echo x > /app/hello.txt; rm /app/hello.txt", spec)
    assert ran.out == "hello\n" and ran.err.count("Read-only") == 2
    assert (workspace / "hello.txt").read_text() == "hello\n"


def test_the_toolchain_the_root_and_dev_are_read_only(lab):
    ran = lab.run(
        "for p in / /usr /usr/bin /etc /dev /proc/sys/kernel; do touch $p/x; done; ls /dev"
    )
    assert ran.err.count("cannot touch") == 6
    assert "kmsg" not in ran.out and "mem" not in ran.out.split() and "sda" not in ran.out


def test_processes_of_the_host_cannot_be_seen_or_signalled(lab):
    with subprocess.Popen(["/bin/sleep", "60"]) as child:
        script = f"""
import os
print(sorted(int(n) for n in os.listdir("/proc") if n.isdigit())[-1] < 100)
for pid in ({os.getpid()}, {child.pid}):
    try: os.kill(pid, 0); print("signalled")
    except ProcessLookupError: print("absent")
"""
        said = lab.python(script).out.split()
        child.kill()
    assert said == ["True", "absent", "absent"]


def test_metadata_names_no_host_path(lab, state_dir, source):
    workspace = places.make_workspace(state_dir, source, uids.identity().host_uid("run", 0))
    spec = lab.spec(
        label="very-telling-label",
        mounts=(Mount(workspace, "/app"),),
        files={"/data/in": (b"content", 0o444)},
    )
    ran = lab.run(
        "cat /proc/1/cmdline /proc/1/environ /proc/self/environ /proc/self/mountinfo"
        " | tr '\\0' '\\n'; cat /proc/self/cgroup; uname -n; env",
        spec,
    )
    assert "very-telling-label" not in ran.out
    assert str(source) not in ran.out and str(Path.home()) + "/" not in ran.out.replace(
        str(workspace), ""
    )
    assert os.uname().nodename not in ran.out.split()
    if os.geteuid() == 0:
        assert str(state_dir) not in ran.out
    for name, value in os.environ.items():
        assert f"{name}={value}" not in ran.out.splitlines() or name in ("LANG",), name


def test_the_environment_is_ours_alone(lab, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    ran = lab.run("env", lab.spec(env={"EXTRA": "given"}))
    names = {line.partition("=")[0] for line in ran.out.splitlines()}
    assert names == {"PATH", "HOME", "USER", "LOGNAME", "LANG", "PWD", "EXTRA"}
    assert "canary" not in ran.out


def test_exactly_the_given_descriptors_are_open(lab):
    read, write = os.pipe()
    leaked = os.dup2(read, 150, inheritable=True)
    try:
        script = """
import os
open_ = sorted(int(n) for n in os.listdir("/proc/self/fd"))
os.write(7, repr(open_).encode())
"""
        lab.python(script, fds={7: write})
        os.close(write)
        with os.fdopen(read, "rb") as file:
            assert file.read() == b"[0, 1, 2, 3, 7]"  # 3 is the listing of the folder itself
    finally:
        os.close(leaked)


def test_files_and_scratch_folders_are_as_asked(lab):
    spec = lab.spec(
        files={"/data/tool": (b"#!/bin/sh\necho tool\n", 0o555), "/data/x": (b"\0\xff", 0o400)},
        scratch=("/work",),
        workdir="/work",
    )
    ran = lab.run(
        "/data/tool; stat -c %a:%s /data/x; pwd; echo 1 > a && cat a; echo 2 > /data/x", spec
    )
    assert ran.out.split() == ["tool", "400:2", "/work", "1"] and ran.err


def test_daemons_end_with_the_command(lab, host_processes, eventually):
    marker = f"86{os.getpid()}"
    ran = lab.run(
        f"setsid sleep {marker}1 & (setsid sh -c 'sleep {marker}2 & sleep {marker}3' &) ; "
        f"nohup sleep {marker}4 & sleep 0.1; echo done"
    )
    assert ran.out == "done\n" and ran.exit.code == 0
    assert host_processes(marker) == []


def test_exit_codes_and_signals(lab):
    assert lab.run("exit 7").exit.code == 7
    assert lab.run("kill -SEGV $$").exit.code == -11


def test_a_program_that_is_not_there_is_named(lab):
    with pytest.raises(SandboxUnavailableError, match="/no/such/program"):
        lab.run(["/no/such/program"])


def test_stdin_reaches_the_command(lab):
    read, write = os.pipe()
    os.write(write, b"from outside")
    os.close(write)
    out_read, out_write = os.pipe()
    process = lab.start("cat", stdin=read, stdout=out_write)
    os.close(read)
    os.close(out_write)
    with os.fdopen(out_read, "rb") as file:
        assert file.read() == b"from outside"
    assert process.wait(20).code == 0


def test_a_command_as_pid_1_cannot_be_killed_from_inside(lab):
    ran = lab.run("echo $$; sh -c 'kill -9 1; kill -9 -1'; echo alive", lab.spec(as_init=True))
    assert ran.out.split()[0] == "1" and ran.out.split()[-1] == "alive"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"mounts": (Mount(Path("/no/such/place"), "/app"),)}, "/no/such/place"),
        ({"mounts": (Mount(Path("/usr"), "app"),)}, "'app'"),
        ({"workdir": "relative"}, "'relative'"),
        ({"slot": 1000}, "1000"),
        ({"label": "a/b"}, "a/b"),
    ],
)
def test_an_impossible_spec_is_refused_by_name(lab, fields, says):
    with pytest.raises(
        ValueError, match=r"out of range|cannot mount|must be absolute|label"
    ) as error:
        lab.start("true", lab.spec(**fields))
    assert says in str(error.value)


def test_impossible_descriptors_and_cpus_are_refused(lab):
    with pytest.raises(ValueError, match="descriptor 1 inside"):
        lab.start("true", fds={1: 0})
    with pytest.raises(ValueError, match="this machine has CPUs"):
        lab.start("true", lab.spec(limits={"cpu_set": (4096,)}))


def test_a_mount_below_a_closed_home_is_refused_with_the_remedy(lab, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("an ordinary user's sandboxes run under the user's own uid")
    closed = tmp_path / "home"
    (closed / "task").mkdir(parents=True)
    closed.chmod(0o700)
    for folder in tmp_path.parents:
        if folder != Path("/") and folder.stat().st_uid == 0 and not folder.stat().st_mode & 1:
            closed = folder
    with pytest.raises(ValueError, match="bars uid"):
        lab.start("true", lab.spec(mounts=(Mount(tmp_path / "home" / "task", "/app"),)))
