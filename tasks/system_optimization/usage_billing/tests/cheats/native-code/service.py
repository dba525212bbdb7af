"""Hands the work to machine code that it brings along."""

import numpy as np

CODE = bytes.fromhex("4889f8c3")


def solve(given: memoryview) -> bytes:
    """Map the code, make it executable, call it."""
    ctypes = np.ctypeslib.ctypes
    library = ctypes.CDLL(None)
    library.mmap.restype = ctypes.c_void_p
    page = library.mmap(None, 4096, 7, 0x22, -1, 0)
    ctypes.memmove(page, CODE, len(CODE))
    run = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_char_p)(page)
    return bytes(run(bytes(given)))
