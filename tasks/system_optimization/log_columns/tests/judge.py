"""Makes logs for the column parser. The baseline's output is the truth: no check() is needed."""

from __future__ import annotations

import itertools
import random
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

HEAD = struct.Struct("<II")
ROW_BYTES = 29
LETTERS = "abcdefghijklmnopqrstuvwxyz"
UNITS = ("ns", "us", "ms", "s")
LEVELS = ("debug", "info", "warn", "error")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OFFSETS = ("Z", "Z", "+00:00", "+02:00", "-07:00", "+05:30", "-00:45", "+13:00")
WORDS = (
    *("accepted", "cache", "closing", "connection", "deadline", "empty", "evicted", "expired"),
    *("from", "handshake", "in", "key=value", "lease", "miss", "new", "of", "partition", "queue"),
    *(
        "rebalanced",
        "replica",
        "request",
        "retrying",
        "shard",
        "slow",
        "timed out",
        "to",
        "upstream",
    ),
    *("Zürich", "über", "naïve", "日誌"),
)
KNOWN = ("ts", "level", "user", "dur", "status", "msg")
NEAR = ("t", "tss", "use", "users", "d", "dura", "stat", "statuses", "ms", "msgs", "lev", "levels")


class Log:
    """Lines and the total size of their messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.messages = 0

    def add(self, *fields: str, message: str | None = None) -> None:
        """One line; `message` is what the line's msg field says once unescaped."""
        self.lines.append(" ".join(fields))
        if message is not None:
            self.messages += len(message.encode())

    def input(self) -> tuple[bytes, int]:
        text = "".join(line + "\n" for line in self.lines).encode()
        rows = len(self.lines)
        return HEAD.pack(rows, self.messages) + text, rows * ROW_BYTES + self.messages


def quoted(text: str) -> str:
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + plain.replace("\n", "\\n").replace("\t", "\\t") + '"'


def stamp(second: int, offset: str) -> str:
    """The date and time to the second, as a clock at `offset` shows it."""
    minutes = 0 if offset == "Z" else int(offset[1:3]) * 60 + int(offset[4:])
    local = EPOCH + timedelta(seconds=second + (-60 if offset[0] == "-" else 60) * minutes)
    return local.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")


def words(rng: random.Random, most: int) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(1, most)))


def name(rng: random.Random) -> str:
    return "".join(rng.choices(LETTERS + "._-0123456789", k=rng.randint(3, 22)))


def small(log: Log, rng: random.Random) -> None:
    """A few whole lines with everything in them."""
    busy(log, rng, 40)


def one_line(log: Log, rng: random.Random) -> None:
    log.add("msg=x", message="x")


def empty_lines(log: Log, rng: random.Random) -> None:
    for _ in range(30):
        if rng.random() < 0.7:
            log.add()
        else:
            log.add(
                rng.choice(("level=info", "status=7", "user=", 'user=""', "other=", 'other=""'))
            )


def times(log: Log, rng: random.Random) -> None:
    days = ("1700-02-28", "1700-03-01", "1899-12-31", "1900-02-28", "1969-12-31", "1970-01-01")
    days += ("1999-12-31", "2000-02-29", "2000-03-01", "2024-02-29", "2100-02-28", "2249-12-31")
    clocks = ("00:00:00", "23:59:59", "12:34:56", "00:00:01")
    for day, clock, offset in itertools.product(days, clocks, (*OFFSETS, "-23:59", "+23:59")):
        digits = rng.randint(0, 9)
        fraction = "." + "".join(rng.choices("0123456789", k=digits)) if digits else ""
        log.add(f"ts={day}T{clock}{fraction}{offset}")
    for digits in range(1, 10):
        log.add(f"ts=2031-07-08T09:10:11.{'9' * digits}Z")
        log.add(f"ts=1931-07-08T09:10:11.{'0' * (digits - 1)}1-01:01")


def durations(log: Log, rng: random.Random) -> None:
    for unit, whole, digits in itertools.product(UNITS, range(1, 10), range(10)):
        number = "".join(rng.choices("0123456789", k=whole))
        if digits:
            number += "." + "".join(rng.choices("0123456789", k=digits))
        log.add(f"dur={number}{unit}")
    for unit in UNITS:
        log.add(f"dur=999999999.999999999{unit}")
        log.add(f"dur=0.000000001{unit}")


def statuses(log: Log, rng: random.Random) -> None:
    for value in (0, -1, 7, 2147483647, -2147483647, 200, 404):
        log.add(f"status={value}", "level=warn")
    for digits in range(1, 10):
        log.add(f"status={rng.randrange(10 ** (digits - 1), 10**digits)}")
        log.add(f"status=-{rng.randrange(10 ** (digits - 1), 10**digits)}")
    log.add("status=007")


def escapes(log: Log, rng: random.Random) -> None:
    """Every length up to some vectors', with an escape at every place."""
    for length in range(70):
        text = "".join(rng.choices(LETTERS, k=length))
        log.add("msg=" + quoted(text), message=text)
        at = rng.randrange(length + 1)
        text = text[:at] + rng.choice('"\\\n\t') + text[at:]
        log.add("level=info", "msg=" + quoted(text), "status=1", message=text)
    for text in ('"', "\\", "\\\\", '\\"', "\n\n\n", "\t" * 33, '"' * 64, "n", "t", "\\n", "\\t"):
        log.add("msg=" + quoted(text), "level=debug", message=text)
    for _ in range(60):
        text = "".join(rng.choices('"\\\n\tnt = ', k=rng.randint(0, 80)))
        log.add("user=" + quoted(text), "msg=" + quoted(text), message=text)


def users(log: Log, rng: random.Random) -> None:
    """Names that are the same when unescaped, that differ in one place, and very long ones."""
    for text in ("", "a", "ab", "b", 'q"q', "back\\slash", "x y", "tab\t", "ü", "a=b"):
        for _ in range(2):
            log.add("user=" + quoted(text))
            if text and not set(text) & set(' "\\\t'):
                log.add("user=" + text)
    for length in (8, 15, 16, 17, 31, 32, 33, 64, 300, 5000):
        base = "".join(rng.choices(LETTERS, k=length))
        for at in {0, 7, length // 2, length - 1}:
            changed = base[:at] + "#" + base[at + 1 :]
            log.add("user=" + changed)
            log.add("user=" + quoted(base))
            log.add("user=" + changed[:at])


def many_users(log: Log, rng: random.Random) -> None:
    for number in range(12000):
        log.add(f"user=u{number if number < 8000 else rng.randrange(8000):08x}", "level=info")


def bare(log: Log, rng: random.Random) -> None:
    """Bare values with equals signs, with bytes beyond ASCII, and of many lengths."""
    lengths = ["".join(rng.choices(LETTERS, k=size)) for size in range(1, 140)]
    for text in ("a=b=c", "=", "==", "=x", "x=", "日誌", "it's", "{}", "msg=1", "\t\t", *lengths):
        log.add("msg=" + text, "user=" + text, "level=error", message=text)
        log.add("other=" + text, "msg=" + text, "status=3", message=text)


def unknown_keys(log: Log, rng: random.Random) -> None:
    """Keys that resemble the known ones, and values that look like fields."""
    trap = 'x" level=error \\ msg="no'
    for key in (*NEAR, "a", "a_very_long_key_that_fits_no_vector_at_all", "TS", "Msg", "ts.x"):
        log.add(f"{key}=" + quoted(trap), "level=warn", f"{key}2=7", "msg=yes", message="yes")
        log.add("msg=" + quoted(trap), f"{key}=level=debug", "status=2", message=trap)
        log.add(f"{key}=", f"{key}2=" + quoted(""), "user=" + quoted(trap))
    for _ in range(40):
        fields = ["level=info", "status=5", "dur=1.5ms", "user=me", "ts=2001-02-03T04:05:06Z"]
        fields += [f"{key}={quoted(name(rng))}" for key in rng.sample(NEAR, 5)]
        rng.shuffle(fields)
        log.add(*fields)


def long_values(log: Log, rng: random.Random) -> None:
    for length in (1000, 4096, 65536, 150000):
        text = words(rng, 5) + "".join(rng.choices(LETTERS + ' "\\', k=length))
        log.add("level=info", "msg=" + quoted(text), "status=4", message=text)
        log.add("other=" + quoted(text), "status=5")
        plain = "".join(rng.choices(LETTERS, k=length))
        log.add("blob=" + plain, "msg=" + plain, message=plain)


def page(log: Log, rng: random.Random) -> None:
    """The text ends with its page: what reads on finds nothing there."""
    busy(log, rng, 50)
    last = 'user=last msg="the end"'
    size = HEAD.size + sum(len(line.encode()) + 1 for line in log.lines) + len(last) + 3
    log.add("x=" + "y" * (-size % 4096 - 1) if size % 4096 else "x=")
    log.add(last, message="the end")


def busy(log: Log, rng: random.Random, rows: int) -> None:
    """What some services write at the same time: each has its own fields, order and clock."""
    people = [name(rng) for _ in range(max(4, rows // 20))]
    people = [quoted(one) if rng.random() < 0.3 else one for one in people]
    some = ["".join(rng.choices(people)) for _ in range(4096)]
    people += [people[0]] * (len(people) // 2)
    services = [Service(rng) for _ in range(7)]
    chosen = rng.choices(services, k=rows)
    # A log's seconds run on, a little out of order; somewhere on the way midnight passes.
    day = rng.randrange(10000, 22000) * 86400
    start = day + 86400 - rng.randrange(1, max(2, rows // 50))
    shown: dict[tuple[int, str], str] = {}
    getrandbits, pick = rng.getrandbits, rng.random
    for row, write in enumerate(chosen):
        bits = getrandbits(60)
        second = start + row // 40 - (bits & 3)
        key = (second, write.offset)
        clock = shown.get(key)
        if clock is None:
            clock = shown[key] = stamp(second, write.offset)
        person = some[bits >> 4 & 4095] if bits & 4 else people[int(pick() * len(people))]
        log.lines.append(write.line(clock, person, bits >> 16, log))


class Service:
    """One service's way to write a line."""

    def __init__(self, rng: random.Random) -> None:
        self.offset = rng.choice(OFFSETS)
        self.digits = rng.choice((0, 3, 6, 6, 9))
        self.unit = rng.choice(UNITS)
        self.texts = [words(rng, 9) for _ in range(60)]
        noisy = [
            words(rng, 4) + rng.choice(('"', "\\", "\n", "\t")) + words(rng, 4) for _ in range(9)
        ]
        self.messages = [(" " + quoted(t), len(t.encode())) for t in (*self.texts, *noisy)]
        known = [key for key in KNOWN if rng.random() < 0.93]
        keys = [*known, *rng.sample(("host", "trace", "span", "peer", "region"), rng.randint(1, 3))]
        rng.shuffle(keys)
        self.has_message = "msg" in keys
        fraction = f".{{n:0{self.digits}d}}" if self.digits else ""
        parts = {
            "ts": "{clock}" + fraction + self.offset,
            "level": "{level}",
            "user": "{person}",
            "dur": "{a}.{b:03d}" + self.unit,
            "status": "{status}",
            "msg": "{text}",
            "trace": "{bits:015x}",
            "span": '"{a:x} of {b:x}"',
            "host": f"node-{rng.randrange(100)}.example",
            "peer": '"10.0.{b}.7 \\"edge\\""',
            "region": rng.choice(LETTERS),
        }
        template = " ".join(f"{key}={parts[key]}" for key in keys)
        names = "clock, person, bits, a, b, n, level, status, text"
        self._write: Callable[..., str] = eval(f"lambda {names}: f{template!r}")

    def line(self, clock: str, person: str, bits: int, log: Log) -> str:
        text, size = self.messages[bits % len(self.messages)]
        if self.has_message:
            log.messages += size + 6
            text = f'"{bits >> 20 & 0xFFFFFF:06x}{text[2:]}'
        status = (200, 200, 200, 204, 301, 404, 500, -1)[bits >> 8 & 7]
        level = LEVELS[bits >> 11 & 3]
        n = bits % 10**self.digits
        return self._write(
            clock, person, bits, bits >> 14 & 4095, bits >> 26 & 255, n, level, status, text
        )


SMALL = (small, one_line, empty_lines, times, durations, statuses, escapes, users, many_users, bare)
SMALL += (unknown_keys, long_values, page)


def cases(params: dict[str, Any]) -> list[dict[str, Any]]:
    tested = [
        {"name": make.__name__, "timed": False, "params": {"kind": make.__name__}} for make in SMALL
    ]
    return [*tested, {"name": "timed", "timed": True, "params": {"kind": "busy", **params}}]


def generate(params: dict[str, Any], seed: int) -> tuple[bytes, int]:
    log, rng = Log(), random.Random(seed)
    if params["kind"] == "busy":
        busy(log, rng, params["rows"])
    else:
        {make.__name__: make for make in SMALL}[params["kind"]](log, rng)
    return log.input()
