"""Starts a program so that the host is asked about some of its system calls.

Started as `python3 -I -S watch_main.py NUMBERS PROGRAM...` inside a sandbox: installs a filter that
hands the calls of these numbers to a listener, sends the listener's descriptor to the host over
descriptor 3 with the byte W, and becomes the program. Only the standard library may be used here.
"""

import array
import ctypes
import os
import platform
import socket
import struct
import sys

SECCOMP = {"x86_64": 317, "aarch64": 277}
SET_FILTER, NEW_LISTENER = 1, 8
ASK, ALLOW = 0x7FC00000, 0x7FFF0000
CONTROL = 3


class Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("count", ctypes.c_ushort), ("code", ctypes.c_char_p))


def listener(numbers: list[int]) -> int:
    """Install the filter; the descriptor on which the host will be asked."""
    code = struct.pack("=HBBI", 0x20, 0, 0, 0)
    for number in numbers:
        code += struct.pack("=HBBI", 0x15, 0, 1, number) + struct.pack("=HBBI", 0x06, 0, 0, ASK)
    code += struct.pack("=HBBI", 0x06, 0, 0, ALLOW)
    libc = ctypes.CDLL(None, use_errno=True)
    program = Program(len(code) // 8, code)
    fd = libc.syscall(SECCOMP[platform.machine()], SET_FILTER, NEW_LISTENER, ctypes.byref(program))
    if fd < 0:
        raise OSError(ctypes.get_errno(), "seccomp")
    return int(fd)


def main() -> None:
    """Be watched."""
    numbers = [int(number) for number in sys.argv[1].split(",")]
    control = socket.socket(fileno=CONTROL)
    fd = listener(numbers)
    control.sendmsg([b"W"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
    os.close(fd)
    os.execv(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
