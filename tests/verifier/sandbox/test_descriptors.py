"""What may come over a socket from inside."""

from __future__ import annotations

import socket

import pytest

from verifier.sandbox.descriptors import refuse_descriptors


def test_words_come_and_descriptors_do_not() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        refuse_descriptors(ours)
        theirs.send(b"words")
        assert ours.recv(16) == b"words"
        try:
            supported = ours.getsockopt(socket.SOL_SOCKET, 83) == 0
        except OSError:
            supported = False
        if not supported:
            pytest.skip("this kernel cannot refuse descriptors (Linux 6.16 can)")
        with pytest.raises(PermissionError):
            socket.send_fds(theirs, [b"x"], [0])
        socket.send_fds(ours, [b"x"], [0])  # the other way they go
