"""The names that a program takes from its libraries, from its dynamic section.

What macros, pasted tokens and assembler names hide in the text stands here in plain words. Only the
standard library may be used here.
"""

import struct

_LOAD, _DYNAMIC = 1, 2
_STRTAB, _SYMTAB, _STRSZ = 5, 6, 10
_MOST = 100_000


def imports(image: bytes) -> set[str]:
    """The undefined dynamic symbols of a 64-bit little-endian ELF file; empty for anything else."""
    try:
        return _imports(image)
    except (struct.error, KeyError, ValueError, IndexError):
        return set()


def _imports(image: bytes) -> set[str]:
    if image[:6] != b"\x7fELF\x02\x01":
        return set()
    (table,) = struct.unpack_from("<Q", image, 32)
    size, count = struct.unpack_from("<HH", image, 54)
    loads: list[tuple[int, int, int]] = []
    dynamic = (0, 0)
    for at in range(table, table + size * min(count, 256), size):
        kind, _, offset, address, _, length = struct.unpack_from("<IIQQQQ", image, at)
        if kind == _LOAD:
            loads.append((address, address + length, offset - address))
        elif kind == _DYNAMIC:
            dynamic = (offset, length)
    tags: dict[int, int] = {}
    for at in range(dynamic[0], dynamic[0] + min(dynamic[1], 1 << 16) - 15, 16):
        tag, value = struct.unpack_from("<QQ", image, at)
        tags.setdefault(tag, value)

    def place(address: int) -> int:
        return next(address + by for low, high, by in loads if low <= address < high)

    if not {_STRTAB, _SYMTAB, _STRSZ} <= set(tags):
        return set()
    strings, symbols = place(tags[_STRTAB]), place(tags[_SYMTAB])
    most = (strings - symbols) // 24 if strings > symbols else _MOST
    found = set()
    for number in range(1, min(most, _MOST)):
        name, _, _, section, _, _ = struct.unpack_from("<IBBHQQ", image, symbols + 24 * number)
        if section == 0 and 0 < name < tags[_STRSZ]:
            end = image.index(b"\0", strings + name)
            found.add(image[strings + name : end].decode("latin-1"))
    return found
