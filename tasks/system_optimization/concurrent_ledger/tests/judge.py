"""Makes operations for the ledger, and decides whether answers can have come from one.

The answers of concurrent operations differ from run to run, so the baseline's are no truth. Since
an answer names the version that an operation made or read, one pass decides whether there is an
order of all operations, each thread's own kept, in which a plain ledger gives these answers.
"""

from __future__ import annotations

import random
import struct
from array import array
from collections import Counter
from typing import Any

HEAD = struct.Struct("<5I")  # threads, rounds, each, accounts, interrupted (microseconds)
READ, DEPOSIT, TRANSFER = range(3)
NAMES = ("READ", "DEPOSIT", "TRANSFER")
HOT = 24


def cases(params: dict[str, Any]) -> list[dict[str, Any]]:
    stress = {"threads": 2, "rounds": 2, "interrupted": 20, "kind": "mixed"}
    untimed = {
        "alone": {**stress, "threads": 1, "each": 2000, "accounts": 300, "interrupted": 0},
        "one_account": {**stress, "each": 6000, "accounts": 1},
        "two_accounts": {**stress, "each": 12000, "accounts": 2},
        "three_accounts": {**stress, "each": 12000, "accounts": 3, "rounds": 1},
        "twelve_accounts": {**stress, "each": 20000, "accounts": 12},
        "opening": {**stress, "each": 20000, "accounts": 14000, "kind": "alike", "interrupted": 15},
        "passing_on": {**stress, "each": 12000, "accounts": 5, "kind": "transfers"},
        "many": {**stress, "each": 15000, "accounts": 4000, "rounds": 7, "interrupted": 40},
        "hardly_any": {**stress, "each": 5, "accounts": 4, "rounds": 1},
    }
    timed = {"threads": 2, "rounds": 4, "interrupted": 0, "kind": "mixed", **params}
    return [
        *({"name": name, "timed": False, "params": one} for name, one in untimed.items()),
        {"name": "timed", "timed": True, "params": timed},
    ]


def generate(params: dict[str, Any], seed: int) -> tuple[bytes, int]:
    rng = random.Random(seed)
    threads, each = params["threads"], params["each"]
    numbers = rng.sample(range(1, 1 << 32), params["accounts"])
    operations = array("I")
    for thread in range(threads):
        if thread > 0 and params["kind"] == "alike":
            operations += operations[: 4 * each]  # all threads open the same accounts at once
        else:
            operations += _operations(params, numbers, rng)
    head = HEAD.pack(threads, params["rounds"], each, params["accounts"], params["interrupted"])
    return head + operations.tobytes(), threads * each * 16


def _operations(params: dict[str, Any], numbers: list[int], rng: random.Random) -> array[int]:
    """One thread's: a fifth of the uses goes to a few accounts."""
    each = params["each"]
    weights = (12, 13, 75) if params["kind"] == "transfers" else (45, 33, 22)
    hot = numbers[:HOT]
    kinds = rng.choices((READ, DEPOSIT, TRANSFER), weights, k=each)
    luck = rng.randbytes(each)
    accounts = rng.choices(numbers, k=each)
    partners = rng.choices(numbers, k=each)
    amounts = rng.choices(range(1, 101), k=each)
    hot_ones = rng.choices(hot, k=each)
    for i, (kind, chance) in enumerate(zip(kinds, luck, strict=True)):
        if chance < 51:
            accounts[i] = hot_ones[i]
        if kind == TRANSFER and len(numbers) > 1:
            while partners[i] == accounts[i]:
                partners[i] = rng.choice(numbers)
            continue
        partners[i] = 0
        if kind == READ:
            amounts[i] = 0
        kinds[i] = min(kind, DEPOSIT)
    operations = array("I", bytes(16 * each))
    for column, values in enumerate((accounts, partners, kinds, amounts)):
        operations[column::4] = array("I", values)
    return operations


def check(
    _params: dict[str, Any], given: memoryview, output: memoryview, _expected: memoryview
) -> list[tuple[str, bool, str]]:
    threads, rounds, each, _, _ = HEAD.unpack(given[: HEAD.size])
    operations = array("I", bytes(given[HEAD.size :]))
    answers = array("I", bytes(output))
    why = _Replay(operations, answers, threads, each).run(rounds)
    return [("one_order", not why, why)]


class _Replay:
    """Takes the operations one by one, whichever is possible now.

    One that changes an account must follow the version before, and everybody who reads that one;
    one that reads must find the version that it answered with. Two that are possible at the same
    time do not disturb each other: getting stuck means that there is no order.
    """

    def __init__(
        self, operations: array[int], answers: array[int], threads: int, each: int
    ) -> None:
        self.account = operations[0::4].tolist()
        self.other = operations[1::4].tolist()
        self.kind = operations[2::4].tolist()
        self.amount = operations[3::4].tolist()
        self.version = answers[0::4].tolist()
        self.balance = answers[1::4].tolist()
        self.other_version = answers[2::4].tolist()
        self.other_balance = answers[3::4].tolist()
        self.threads = threads
        self.each = each
        self.versions: dict[int, int] = dict.fromkeys(self.account, 0)
        self.versions.update(dict.fromkeys(self.other, 0))
        self.balances = dict(self.versions)
        # How many still read a version of an account. A transfer that answers nothing of the other
        # account is one that was refused: it reads.
        self.readers = Counter(
            account << 32 | version
            for account, version, kind, other_version in zip(
                self.account, self.version, self.kind, self.other_version, strict=True
            )
            if kind == READ or (kind == TRANSFER and other_version == 0)
        )

    def run(self, rounds: int) -> str:
        """Empty, or the first thing that cannot be."""
        at = [thread * self.each for thread in range(self.threads)]
        for number in range(1, rounds + 1):
            ends = [t * self.each + self.each * number // rounds for t in range(self.threads)]
            while at != ends:
                before = list(at)
                for thread in range(self.threads):
                    at[thread], why = self._go_on(at[thread], ends[thread])
                    if why:
                        return self._said(at[thread], why)
                if at == before:
                    stuck = next(t for t in range(self.threads) if at[t] < ends[t])
                    return self._said(at[stuck], "no order of the operations explains it")
        return ""

    def _go_on(self, i: int, end: int) -> tuple[int, str]:
        """Take what one thread can do now: where it stands then, and what is wrong there."""
        versions, balances, readers = self.versions, self.balances, self.readers
        while i < end:
            account, kind, version = self.account[i], self.kind[i], self.version[i]
            now, balance = versions[account], balances[account]
            if kind == READ or (kind == TRANSFER and self.other_version[i] == 0):
                if now != version:
                    return i, ""
                if self.balance[i] != balance or self.other_version[i] or self.other_balance[i]:
                    return i, f"the balance is {balance}"
                if kind == TRANSFER and balance >= self.amount[i]:
                    return i, f"refused, with a balance of {balance}"
                readers[account << 32 | version] -= 1
                i += 1
                continue
            if now + 1 != version or readers.get(account << 32 | now):
                return i, ""
            if kind == DEPOSIT:
                balance += self.amount[i]
                if self.other_version[i] or self.other_balance[i]:
                    return i, "an answer on another account that is none"
            else:
                other = self.other[i]
                of_other = versions[other]
                if of_other + 1 != self.other_version[i] or readers.get(other << 32 | of_other):
                    return i, ""
                balance -= self.amount[i]
                balances[other] += self.amount[i]
                versions[other] = of_other + 1
                if balance < 0 or balances[other] != self.other_balance[i]:
                    return i, f"the balances are {balance} and {balances[other]}"
            if balance != self.balance[i]:
                return i, f"the balance is {balance}"
            versions[account] = version
            balances[account] = balance
            i += 1
        return i, ""

    def _said(self, i: int, why: str) -> str:
        thread, number = divmod(i, self.each)
        return (
            f"thread {thread}, operation {number}, {NAMES[self.kind[i]]} {self.amount[i]} of "
            f"account {self.account[i]} answers version {self.version[i]}, "
            f"balance {self.balance[i]}: {why}"
        )
