"""The system call filter: a denylist for the kernel's own small virtual machine.

Namespaces, dropped capabilities and no_new_privs do the isolating. The filter closes what they
leave open for an unprivileged user: tracing its own siblings, kernel interfaces with a long record
of holes, and address families that no network namespace contains. A denied call answers EPERM.
"""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass

# (x86_64, aarch64) numbers; None where the machine has no such call.
_DENIED: dict[str, tuple[int | None, int | None]] = {
    # other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    # namespaces and mounts
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    # kernel interfaces
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "fanotify_init": (300, 262),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "lookup_dcookie": (212, 18),
    "modify_ldt": (154, None),
    "uselib": (134, None),
    "nfsservctl": (180, 42),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # the machine
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "vhangup": (153, 58),
    "iopl": (172, None),
    "ioperm": (173, None),
}
# What a program that is being timed has no use for. A descriptor sent along with "done" would be
# closed by the verifier's own thread, and closing some (a TCP socket that lingers) takes minutes.
_DENIED_TIMED: dict[str, tuple[int | None, int | None]] = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "accept": (43, 202),
    "accept4": (288, 242),
    "sendmsg": (46, 211),
    "sendmmsg": (307, 269),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "mq_open": (240, 180),
    "msgget": (68, 186),
    "shmget": (29, 194),
    "inotify_init1": (294, 26),
    "process_mrelease": (448, 448),
}
_CLONE = (56, 220)
_CLONE3 = (435, 435)
_IOCTL = (16, 29)
_SOCKET = (41, 198)
_PERSONALITY = (135, 92)
_SCHED_SETAFFINITY = (203, 122)

_NAMESPACE_FLAGS = 0x7E020000  # every CLONE_NEW* that clone() takes
_TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_FAMILIES = (1, 2, 10, 16)  # unix, inet, inet6, netlink; vsock and others leave the namespace
_PERSONALITIES = (0, 0xFFFFFFFF)  # the default one, and asking which it is

_LOAD, _JEQ, _JGE, _JSET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NR, _ARCH, _ARGUMENT_0, _ARGUMENT_1 = 0, 4, 16, 24
_X32 = 0x40000000


@dataclass(frozen=True, slots=True)
class _Machine:
    audit: int
    column: int


_MACHINES = {"x86_64": _Machine(0xC000003E, 0), "aarch64": _Machine(0xC00000B7, 1)}


class UnsupportedMachineError(RuntimeError):
    """There is no table of system call numbers for this processor."""


def _op(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def _deny(number: int, error: int = errno.EPERM) -> bytes:
    return _op(_JEQ, number, 0, 1) + _op(_RETURN, _ERRNO | error)


def _deny_unless(number: int, offset: int, allowed: tuple[int, ...]) -> bytes:
    """Deny a call whose argument (its low word) is not one of `allowed`."""
    tests = b"".join(
        _op(_JEQ, value, len(allowed) - index, 0) for index, value in enumerate(allowed)
    )
    body = _op(_LOAD, offset) + tests + _op(_RETURN, _ERRNO | errno.EPERM) + _op(_LOAD, _NR)
    return _op(_JEQ, number, 0, len(body) // 8) + body


def _deny_when(number: int, offset: int, denied: tuple[int, ...]) -> bytes:
    """Deny a call whose argument (its low word) is one of `denied`."""
    tests = b"".join(
        _op(_JEQ, value, 0, 1) + _op(_RETURN, _ERRNO | errno.EPERM) for value in denied
    )
    body = _op(_LOAD, offset) + tests + _op(_LOAD, _NR)
    return _op(_JEQ, number, 0, len(body) // 8) + body


def _deny_flags(number: int, offset: int, mask: int) -> bytes:
    body = _op(_LOAD, offset) + _op(_JSET, mask, 0, 1)
    body += _op(_RETURN, _ERRNO | errno.EPERM) + _op(_LOAD, _NR)
    return _op(_JEQ, number, 0, len(body) // 8) + body


def supported(machine: str) -> bool:
    """Whether there is a filter for this processor (`os.uname().machine`)."""
    return machine in _MACHINES


def program(machine: str, *, pin_affinity: bool = False, timed: bool = False) -> bytes:
    """The filter as an array of `struct sock_filter`, as `bwrap --seccomp` reads it.

    With `pin_affinity` a process inside cannot change the set of CPUs it may use, which makes a set
    given with sched_setaffinity hold where there is no cpuset cgroup. A `timed` program has no
    sockets but those that it was given, and sends no descriptors through them.

    Raises `UnsupportedMachineError` for a processor other than x86_64 and aarch64.
    """
    try:
        target = _MACHINES[machine]
    except KeyError:
        raise UnsupportedMachineError(
            f"no system call filter for processor {machine!r}; supported: {', '.join(_MACHINES)}"
        ) from None

    column = target.column
    code = _op(_LOAD, _ARCH) + _op(_JEQ, target.audit, 1, 0) + _op(_RETURN, _KILL)
    code += _op(_LOAD, _NR)
    if machine == "x86_64":  # the x32 numbers would be a second way to every denied call
        code += _op(_JGE, _X32, 0, 1) + _op(_RETURN, _ERRNO | errno.EPERM)
    for numbers in (*_DENIED.values(), *(_DENIED_TIMED.values() if timed else ())):
        number = numbers[column]
        if number is not None:
            code += _deny(number)
    if pin_affinity:
        code += _deny(_SCHED_SETAFFINITY[column])
    # clone3 hides its flags behind a pointer; "no such call" makes the C library use clone.
    code += _deny(_CLONE3[column], errno.ENOSYS)
    code += _deny_flags(_CLONE[column], _ARGUMENT_0, _NAMESPACE_FLAGS)
    code += _deny_when(_IOCTL[column], _ARGUMENT_1, _TERMINAL_INJECTION)
    code += _deny_unless(_SOCKET[column], _ARGUMENT_0, _FAMILIES)
    code += _deny_unless(_PERSONALITY[column], _ARGUMENT_0, _PERSONALITIES)
    return code + _op(_RETURN, _ALLOW)
