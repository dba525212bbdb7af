"""Places a program on the drum: from lines without slots to lines with slots.

A line is `[label:] op [operand [label]]`. Lines follow one another; `goto label` ends a piece, and `idle n` lets n
cycles pass before the next line. `#5` is a constant and `=name` a variable, for which an address
is found; `negative`, `zero` and `count` name the label to go to.
"""

SECTORS, SLOTS, WORDS, MESSAGE = 64, 1024, 2048, 32
BRANCHES = ("negative", "zero", "count")
SHIFTS = ("left", "right", "turn")
MOVES = ("copy", "take", "mix")


class Placer:
    """`apart`: instructions and words one after another; else each where the head is in time."""

    def __init__(self, *, apart: bool = False) -> None:
        self.apart = apart
        self.t = 0  # the cycle at which the next instruction could be read
        self.lines: dict[int, list[str]] = {}  # slot: op, operand, then labels or slots
        self.labels: dict[str, int] = {}
        self.reached: dict[str, int] = {}  # the cycle at which a branch goes to a label
        self.data: dict[int, int] = {}
        self.variables: dict[str, int] = {}
        self.constants: dict[int, int] = {}
        self.last: int | None = None

    def piece(self, lines: list[str]) -> None:
        for line in lines:
            label, colon, rest = line.rpartition(":")
            op, *words = rest.split()
            if op == "idle":
                self.t += int(words[0])
            elif op == "goto":
                assert self.last is not None
                self.lines[self.last].append(words[0])
                self.last = None
            else:
                self.instruction(label.strip() if colon else "", op, words)

    def instruction(self, label: str, op: str, words: list[str]) -> None:
        if self.last is None and label in self.reached:
            self.t = self.reached[label]
        at = self.free_slot()
        if label:
            self.labels[label] = at
        if self.last is not None:
            self.lines[self.last].append(str(at))
        self.t += (at - self.t) % SECTORS + 1
        self.lines[at] = [op]
        self.last = at
        if op in BRANCHES:
            self.t += 1
            self.reached[words[0]] = self.t
            self.lines[at].append("?" + words[0])
        elif op in SHIFTS:
            self.t += int(words[0])
            self.lines[at].append(words[0])
        elif op in MOVES:
            self.t += 1
            self.lines[at].append(words[0])
        elif op == "halt":
            self.last = None
        else:
            address = self.address(words[0])
            self.t += (address - self.t) % SECTORS + 1
            self.lines[at].append(str(address))

    def free_slot(self) -> int:
        if self.apart:
            return len(self.lines)
        while True:
            for at in range(self.t % SECTORS, SLOTS, SECTORS):
                if at not in self.lines:
                    return at
            self.t += 1

    def address(self, word: str) -> int:
        if word[0] == "=":
            if word not in self.variables:
                self.variables[word] = self.new_address(0)
            return self.variables[word]
        if word[0] == "#":
            value = int(word[1:])
            known = self.constants.get(value)
            if not self.apart or known is None:  # a placed program has a copy for each use
                known = self.constants[value] = self.new_address(value)
            return known
        return int(word)

    def new_address(self, value: int) -> int:
        start = 0 if self.apart else self.t % SECTORS
        step = 1 if self.apart else SECTORS
        address = next(
            a for a in range(start, WORDS, step) if a >= MESSAGE and a not in self.data
        )
        self.data[address] = value
        return address

    def text(self) -> str:
        rows = []
        for at, (op, *rest) in sorted(self.lines.items()):
            if rest and rest[0][0] == "?":  # a branch: the line that follows first
                rest = [rest[1], rest[0][1:]]
            rows.append(" ".join([str(at), op, *(str(self.labels.get(word, word)) for word in rest)]))
        rows += [f"data {address} {value}" for address, value in sorted(self.data.items()) if value]
        return "\n".join(rows) + "\n"
