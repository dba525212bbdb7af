"""A sandbox's file system and namespaces, as arguments of bwrap.

Everything visible inside is listed here. What a process inside can read about its own mounts and
its first process (/proc/self/mountinfo, /proc/1/cmdline, /proc/1/environ) names no host path beyond
the system's own folders and the sources of `SandboxSpec.mounts`.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from verifier.sandbox.spec import SandboxSpec

UID = 1000
USER = "agent"
HOME = f"/home/{USER}"
# CUDA's toolkit installs itself beside the system's commands and leaves PATH to its user.
_TOOLKIT = "/usr/local/cuda/bin"
PATH = "/usr/local/bin:/usr/bin:/bin" + (f":{_TOOLKIT}" if Path(_TOOLKIT).is_dir() else "")
_MIB = 1024 * 1024

_ETC = {
    "/etc/passwd": (
        "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n"
        f"{USER}:x:{UID}:{UID}:{USER}:{HOME}:/bin/bash\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    ),
    "/etc/group": f"root:x:0:\n{USER}:x:{UID}:\nnogroup:x:65534:\n",
    "/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
_ETC_BOUND = ("/etc/ld.so.cache", "/etc/alternatives")
_ROOT_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


def made_files(spec: SandboxSpec) -> dict[str, tuple[bytes, int]]:
    """Files by path inside with content and mode: a minimal /etc, then the spec's own."""
    etc = {**_ETC, "/etc/hosts": f"127.0.0.1 localhost {spec.hostname}\n::1 localhost\n"}
    files = {path: (text.encode(), 0o644) for path, text in etc.items()}
    return {**files, **spec.files}


def environment(spec: SandboxSpec) -> dict[str, str]:
    """The environment of the first process."""
    base = {"PATH": PATH, "HOME": HOME, "USER": USER, "LOGNAME": USER, "LANG": "C.UTF-8"}
    return {**base, **spec.env}


def arguments(
    spec: SandboxSpec,
    *,
    data_fds: dict[str, int],
    seccomp_fd: int,
    info_fd: int,
    status_fd: int,
    block_fd: int | None,
) -> list[str]:
    """All options of bwrap for this sandbox.

    `data_fds` maps each path of `made_files` to the descriptor (in bwrap) with its content.
    """
    tmp = str(spec.limits.tmp_mb * _MIB)
    args = [
        *("--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent"),
        *("--new-session", "--cap-drop", "ALL", "--clearenv"),
        *("--uid", str(UID), "--gid", str(UID), "--hostname", spec.hostname),
        *("--seccomp", str(seccomp_fd)),
        *("--info-fd", str(info_fd), "--json-status-fd", str(status_fd)),
    ]
    if spec.as_init:
        args += ["--as-pid-1"]
    if block_fd is not None:
        args += ["--block-fd", str(block_fd)]
    args += ["--ro-bind", "/usr", "/usr", *_root_folders(), "--dir", "/etc"]
    args += [a for path in _ETC_BOUND for a in ("--ro-bind-try", path, path)]
    args += ["--dir", "/var", "--symlink", "/tmp", "/var/tmp", "--proc", "/proc", "--dev", "/dev"]
    for device in spec.devices:
        args += ["--dev-bind", str(device.source), device.target]
    args += ["--perms", "1777", "--size", tmp, "--tmpfs", "/tmp"]
    args += ["--perms", "1777", "--size", tmp, "--tmpfs", "/dev/shm"]
    for path in (HOME, *spec.scratch):
        args += ["--perms", "0755", "--size", tmp, "--tmpfs", path]
    for mount in spec.mounts:
        args += ["--bind" if mount.writable else "--ro-bind", str(mount.source), mount.target]
    for path, (_, mode) in made_files(spec).items():
        args += ["--perms", f"{mode:04o}", "--ro-bind-data", str(data_fds[path]), path]
    # What is left of the root and of /dev is a tmpfs without a limit: nobody may write there.
    args += ["--remount-ro", "/dev", "--remount-ro", "/"]
    for name, value in environment(spec).items():
        args += ["--setenv", name, value]
    return [*args, "--chdir", spec.workdir]


def _root_folders() -> Iterable[str]:
    for name in _ROOT_FOLDERS:
        path = Path("/", name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()).lstrip("/"), f"/{name}")
        elif path.is_dir():
            yield from ("--ro-bind", f"/{name}", f"/{name}")
