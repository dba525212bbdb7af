"""The system call filter: simulated for both processors, and tried for real."""

from __future__ import annotations

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.sandbox import seccomp

ALLOW, KILL = 0x7FFF0000, 0x80000000
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def evaluate(code: bytes, number: int, audit: int, arguments: tuple[int, ...] = ()) -> int:
    """What the kernel would do: a run of the classic BPF program over struct seccomp_data."""
    padded = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("<IIQ6Q", number, audit, 0, *(a & (2**64 - 1) for a in padded))
    instructions = [struct.unpack("=HBBI", code[i : i + 8]) for i in range(0, len(code), 8)]
    accumulator, at = 0, 0
    while True:
        operation, yes, no, value = instructions[at]
        at += 1
        if operation == 0x20:
            accumulator = struct.unpack_from("<I", data, value)[0]
        elif operation == 0x15:
            at += yes if accumulator == value else no
        elif operation == 0x35:
            at += yes if accumulator >= value else no
        elif operation == 0x45:
            at += yes if accumulator & value else no
        elif operation == 0x06:
            return value
        else:
            raise AssertionError(f"unknown operation {operation:#x}")


def denied(error: int) -> int:
    return 0x00050000 | error


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_listed_call_is_denied_and_common_ones_are_not(machine):
    column = ["x86_64", "aarch64"].index(machine)
    code, audit = seccomp.program(machine), AUDIT[machine]
    for name, numbers in seccomp._DENIED.items():
        if numbers[column] is not None:
            assert evaluate(code, numbers[column], audit) == denied(errno.EPERM), name
    common = {"x86_64": (0, 1, 9, 59, 61, 202, 231), "aarch64": (63, 64, 222, 221, 260, 98, 94)}
    for number in common[machine]:
        assert evaluate(code, number, audit) == ALLOW


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_any_other_processor_mode_is_the_end(number, audit):
    expected = AUDIT["x86_64"] == audit
    result = evaluate(seccomp.program("x86_64"), number, audit)
    assert (result == KILL) is not expected


@given(st.integers(0, 2**32 - 1))
def test_the_program_always_ends_with_a_known_answer(number):
    for machine, audit in AUDIT.items():
        result = evaluate(seccomp.program(machine), number, audit)
        assert result in (ALLOW, denied(errno.EPERM), denied(errno.ENOSYS))


@given(st.integers(0, 2**64 - 1))
def test_arguments_decide_for_clone_socket_ioctl_and_personality(value):
    code, audit = seccomp.program("x86_64"), AUDIT["x86_64"]
    low = value & 0xFFFFFFFF
    eperm = denied(errno.EPERM)
    assert evaluate(code, 56, audit, (value,)) == (eperm if low & 0x7E020000 else ALLOW)
    assert evaluate(code, 41, audit, (value,)) == (ALLOW if low in (1, 2, 10, 16) else eperm)
    assert evaluate(code, 16, audit, (0, value)) == (eperm if low in (0x5412, 0x541C) else ALLOW)
    assert evaluate(code, 135, audit, (value,)) == (ALLOW if low in (0, 0xFFFFFFFF) else eperm)


@pytest.mark.parametrize("flag", [0x5412, 0x541C])
def test_terminal_injection_is_denied(flag):
    assert evaluate(seccomp.program("x86_64"), 16, AUDIT["x86_64"], (0, flag)) == denied(1)


def test_x32_numbers_are_no_way_around():
    assert evaluate(seccomp.program("x86_64"), 0x40000000 + 521, AUDIT["x86_64"]) == denied(1)


def test_affinity_is_pinned_only_on_request():
    for pinned, expected in ((False, ALLOW), (True, denied(1))):
        code = seccomp.program("x86_64", pin_affinity=pinned)
        assert evaluate(code, 203, AUDIT["x86_64"]) == expected


def test_an_unknown_processor_is_named():
    with pytest.raises(seccomp.UnsupportedMachineError, match="riscv64"):
        seccomp.program("riscv64")


CALLS = """
import ctypes, errno, os, platform
libc = ctypes.CDLL(None, use_errno=True)
column = ["x86_64", "aarch64"].index(platform.machine())
def call(name, numbers, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(numbers[column], *arguments)
    print(name, result, errno.errorcode.get(ctypes.get_errno(), 0))
call("ptrace", (101, 117), 0, 0, 0, 0)
call("unshare", (272, 97), 0x10000000)
call("mount", (165, 40), b"none", b"/tmp", b"tmpfs", 0, 0)
call("bpf", (321, 280), 0, 0, 0)
call("perf_event_open", (298, 241), 0, 0, 0, 0, 0)
call("io_uring_setup", (425, 425), 1, 0)
call("keyctl", (250, 219), 0, 0)
call("process_vm_readv", (310, 270), os.getpid(), 0, 0, 0, 0, 0)
call("userfaultfd", (323, 282), 0)
call("vsock", (41, 198), 40, 1, 0)
call("tiocsti", (16, 29), 0, 0x5412, b"x")
call("clone3", (435, 435), 0, 0)
"""


def test_a_sandbox_denies_them_for_real(lab):
    lines = lab.python(CALLS).out.splitlines()
    assert len(lines) == 12
    for line in lines:
        name, result, error = line.split()
        assert result == "-1", line
        assert error == ("ENOSYS" if name == "clone3" else "EPERM"), line
