"""Makes the staged programs: python3 make.py METHOD > program.txt

plain      the definition as two loops without branches on data, one instruction after another
placed     the same, each instruction and constant where the head is in time
branched   a bit's two cases as two branches of the same length: one turn a bit
unrolled   the sixteen bits of a word in one piece
shifted    no bits: x^16 times the register is a few shifts of it
folded     y = x^16 is a root of the same polynomial, so y^16 = y^5 + y^3 + y^2 + 1: whole words
           are added to later ones, and sixteen rounds are left
chosen     some more rounds than sixteen, and each word added where it passes in time (folds.py)
"""

import sys

from folds import fold, improve, next_word
from place import MESSAGE, Placer

PLAIN = """
word: load =index
copy X
loadx 0
copy B
load #16
copy X
bit: take B
mix C
right 15
store =out
load #0
sub =out
and #45
store =out
take C
left 1
xor =out
copy C
take B
left 1
copy B
count bit
load =index
add #1
store =index
sub #32
zero done
goto word
done: take C
halt
"""

BRANCHED = """
word: load =index
copy X
loadx 0
copy B
load #16
copy X
bit: take B
mix C
negative one
take C
left 1
copy C
idle 2
join: take B
left 1
copy B
count bit
load =index
add #1
store =index
sub #32
zero done
goto word
one: take C
left 1
xor #45
copy C
goto join
done: take C
halt
"""

# The register is in A (and C, while A counts), the number of the next word in B.
WORD = """
word: copy C
take B
copy X
add #1
copy B
take C
xorx 0
"""
BIT = """
bit{0}: negative one{0}
left 1
idle 2
"""
ONE = """
one{0}: left 1
xor #45
goto bit{1}
"""
END = """
bit16: copy C
take B
sub #32
zero done
take C
goto word
done: take C
halt
"""

# A times x^16, with x^16 = x^5 + x^3 + x^2 + 1. Shifted left by 5, 3, 2 and 0, A loses A >> 11, A >> 13 and A >> 14 at
# the top, which come back multiplied in the same way; so they are added first, and all is shifted once.
TIMES = """
copy B
right 1
mix B
right 2
mix B
right 11
mix B
copy B
left 2
mix B
left 1
mix B
left 2
mix B
"""


def lines(text: str) -> list[str]:
    return text.strip().splitlines()


def whole(text: str, *, apart: bool = False) -> str:
    placer = Placer(apart=apart)
    placer.piece(lines(text))
    return placer.text()


def unrolled() -> str:
    placer = Placer()
    placer.piece(lines(WORD))
    placer.t += MESSAGE  # the word's sector differs from word to word
    for bit in range(16):
        placer.piece(lines(BIT.format(bit)))
    placer.piece(lines(END))
    for bit in range(16):
        placer.piece(lines(ONE.format(bit, bit + 1)))
    return placer.text()


def rounds(plan: list[set[int]]) -> str:
    """Each round adds its words to A as they come by, and multiplies A by x^16."""
    placer = Placer()
    for words in plan:
        left = set(words)
        while left:
            word = next_word(left, placer.t)
            left.remove(word)
            placer.piece([f"xor {word}"])
        placer.piece(lines(TIMES))
    placer.piece(["halt"])
    return placer.text()


def main() -> None:
    method = sys.argv[1]
    if method == "plain":
        text = whole(PLAIN, apart=True)
    elif method == "placed":
        text = whole(PLAIN)
    elif method == "branched":
        text = whole(BRANCHED)
    elif method == "unrolled":
        text = unrolled()
    elif method == "shifted":
        text = rounds([{word} for word in range(MESSAGE)])
    elif method == "folded":
        text = rounds(fold())
    else:
        text = rounds(improve())
    print(text, end="")


if __name__ == "__main__":
    main()
