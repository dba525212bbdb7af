"""What somebody may have meant by a name that is not there."""

from __future__ import annotations

from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known name that is nearest to a word: the one that it begins, or one like it.

    Upper and lower case are the same; None where nothing comes near.
    """
    import difflib  # costs more than the rest of this module, and few lines are wrong

    names = list(dict.fromkeys(known))
    given = word.casefold()
    begun = [name for name in names if given and name.casefold().startswith(given)]
    if begun:
        shortest = min(begun, key=len)  # a run before its sessions, whose ids begin with its own
        return shortest if all(name.startswith(shortest) for name in begun) else None
    folded = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(given, folded, n=1, cutoff=0.65)
    return folded[near[0]] if near else None


def hint(word: str, known: Iterable[str], otherwise: str) -> str:
    """The end of a complaint: "did you mean 'x'?", or `otherwise` where nothing comes near."""
    meant = nearest(word, known)
    return otherwise if meant is None else f"did you mean {meant!r}?"
