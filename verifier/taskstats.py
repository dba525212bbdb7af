"""How long the threads of a process waited for a CPU, those that have ended included.

The kernel's taskstats interface (generic netlink), for whoever may administer the network: root.
Layouts are those of <linux/genetlink.h> and <linux/taskstats.h>.
"""

from __future__ import annotations

import os
import socket
import struct

_GENERIC = 16  # NETLINK_GENERIC
_ERROR = 2  # NLMSG_ERROR
_CONTROLLER = 16  # GENL_ID_CTRL
_GET_FAMILY, _FAMILY_ID, _FAMILY_NAME = 3, 1, 2
_GET, _OF_PROCESS = 1, 2  # TASKSTATS_CMD_GET, TASKSTATS_CMD_ATTR_TGID
_STATS, _AGGREGATE = 3, 5  # TASKSTATS_TYPE_STATS, TASKSTATS_TYPE_AGGR_TGID
_DELAY_AT = 24  # cpu_delay_total of struct taskstats, after version, flags and cpu_count
_HEADER, _GENERIC_HEADER = struct.Struct("=IHHII"), struct.Struct("=BBH")
_ATTRIBUTE = struct.Struct("=HH")
_PATIENCE = 1.0
_LARGEST = 1 << 16


def waited(pids: list[int]) -> float | None:
    """Seconds that the threads of these processes waited so far; None where we may not ask."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _GENERIC) as link:
            link.settimeout(_PATIENCE)
            link.bind((0, 0))
            name = _ask(link, _CONTROLLER, _GET_FAMILY, _FAMILY_NAME, b"TASKSTATS\0")
            (family,) = struct.unpack_from("=H", name[_FAMILY_ID])
            return sum(_of(link, family, pid) for pid in pids)
    except (OSError, KeyError, struct.error):
        return None


def _of(link: socket.socket, family: int, pid: int) -> float:
    answer = _ask(link, family, _GET, _OF_PROCESS, struct.pack("=I", pid))
    stats = _attributes(answer[_AGGREGATE])[_STATS]
    return float(struct.unpack_from("=Q", stats, _DELAY_AT)[0]) / 1e9


def _ask(
    link: socket.socket, family: int, order: int, attribute: int, value: bytes
) -> dict[int, bytes]:
    """One request with one attribute; the attributes of its answer. Raises `OSError`."""
    given = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), attribute) + value
    body = _GENERIC_HEADER.pack(order, 1, 0) + given + bytes(-len(given) % 4)
    link.send(_HEADER.pack(_HEADER.size + len(body), family, 1, 1, 0) + body)
    answer = link.recv(_LARGEST)
    _, kind, *_ = _HEADER.unpack_from(answer)
    if kind == _ERROR:
        code = -struct.unpack_from("=i", answer, _HEADER.size)[0]
        raise OSError(code, os.strerror(code))
    return _attributes(answer[_HEADER.size + _GENERIC_HEADER.size :])


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if length < _ATTRIBUTE.size:
            break
        found[kind & 0x3FFF] = data[_ATTRIBUTE.size : length]  # without the flags of nesting
        data = data[(length + 3) & ~3 :]
    return found
