"""In which rounds each message word is added.

With y = x^16 the signature is the sum of y^(32-i) times word i. Since P(x^16) = P(x)^16 over GF(2), y is a root of
the polynomial P as x is, and a power of y may be replaced by any sum of powers that differs from
it by a multiple of P(y). Round k of n multiplies by y what has been added in it and before, so that a word
added there counts y^(n-k).
"""

import math
import random

POLYNOMIAL = 0x1002D
DEGREE, MESSAGE, SECTORS = 16, 32, 64
TIMES = 41  # cycles of the multiplication by x^16


def next_word(left: set[int], t: int) -> int:
    """The word that comes under the head first for an instruction read at cycle t or later."""
    return min(left, key=lambda word: (word - t - 1) % SECTORS)


def reduced(power: int) -> int:
    """y^power as a sum of y^0 to y^15, as a mask."""
    sum_ = 1
    for _ in range(power):
        sum_ <<= 1
        if sum_ >> DEGREE:
            sum_ ^= POLYNOMIAL
    return sum_


def plan_of(choice: list[int], rounds: int) -> list[set[int]]:
    """`choice[i]`: word i's powers of y, less one, as a mask."""
    return [{i for i in range(MESSAGE) if choice[i] >> (rounds - 1 - k) & 1} for k in range(rounds)]


def cycles(plan: list[set[int]]) -> int:
    """What the plan takes: each round's words in the order in which they come by, then TIMES."""
    t = 0
    for words in plan:
        left = set(words)
        while left:
            word = next_word(left, t)
            left.remove(word)
            t += 1 + (word - t - 1) % SECTORS + 1
        t += TIMES
    return t + 1


def fold() -> list[set[int]]:
    """Sixteen rounds: there is one way only."""
    return plan_of([reduced(MESSAGE - 1 - i) for i in range(MESSAGE)], DEGREE)


def multiples(more: int) -> list[int]:
    """The multiples of P below degree 16 + more, as masks."""
    found = []
    for factor in range(1 << more):
        product = 0
        for shift in range(more):
            if factor >> shift & 1:
                product ^= POLYNOMIAL << shift
        found.append(product)
    return found


def improve(more: int = 4, moves: int = 30_000, seed: int = 1) -> list[set[int]]:
    """`more` rounds above sixteen; annealing over which of its forms each word has."""
    rng = random.Random(seed)
    options, rounds = multiples(more), DEGREE + more
    choice = [reduced(MESSAGE - 1 - i) for i in range(MESSAGE)]
    now = best = cost(choice, rounds)
    kept = choice
    for move in range(moves):
        heat = 30 * (1 / 60) ** (move / moves)
        i = rng.randrange(MESSAGE)
        other = [*choice[:i], choice[i] ^ rng.choice(options), *choice[i + 1 :]]
        then = cost(other, rounds)
        if then <= now or rng.random() < math.exp((now - then) / heat):
            choice, now = other, then
            if now < best:
                best, kept = now, choice
    return plan_of(kept, rounds)


def cost(choice: list[int], rounds: int) -> float:
    """Cycles, and a little for each word added, since fewer are easier to fit in."""
    plan = plan_of(choice, rounds)
    return cycles(plan) + 0.5 * sum(map(len, plan))
