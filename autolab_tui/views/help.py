"""The help of a screen: what it answers, its signs, its keys out of the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from autolab_tui.actions import Action, Place, key_word, of
from autolab_tui.glyphs import Glyphs
from autolab_tui.plain import fit, wrapped
from autolab_tui.roles import Line, Role, Span
from autolab_tui.views.layout import pad

_KEYS = 14
_ABOUT: dict[Place, tuple[str, ...]] = {
    "fleet": (
        "Each session is one model at work on one task. Those that need you come first: alerts, "
        "failures, pauses, failed gates; then those at work; then those that are over.",
        "final is the reward of what the agent left, as it is scored; best is the highest on the "
        "way. Rewards go from 0, the untouched baseline, to 1.",
        "`done` is when the runs on the screen will be over and `for` what they will have cost, "
        "each with an 80 % interval; `at most` is the longest budget left, of active or GPU "
        "time.",
        "The bar is active time used of its budget, or GPU time where that is nearer its limit "
        "(then `used` says GPU); the tick on it stands where wall time is within its own cap.",
        "spent is what the model cost, with a + where some calls have no price, or its tokens (t) "
        "where none has.",
        "The sign beside `engine` moves with every heartbeat of the engine. When it stands still, "
        "what you see is old, and its age is said.",
    ),
    "session": (
        "The plot has a mark for each verdict at the moment its snapshot was taken, the best "
        "reward so far as a line, and the reference's reward as a broken line.",
        "active is time at work; frozen is time stopped for a measurement; waiting is for rate "
        "limits, retries and slots; paused is in no budget.",
        "The sealed verifier gives the verdicts; the model does not see them unless its harness "
        "says so.",
    ),
    "tasks": (
        "What each task asks, what it needs, and whether this machine has it: `ready`, or what is "
        "missing and the command that brings it.",
        "A task whose pins changed is not the task that was scored before, and is refused for an "
        "old run.",
        "budget is the active time of a session at full size; best is the highest final reward "
        "that the journal knows.",
    ),
    "launch": (
        "Choose tasks, then models or an agent without one, then harnesses: a session is made for "
        "each combination and attempt.",
        "Below stands what it would come to, cost and time with an interval where past sessions "
        "tell, and what is missing with its remedy. Nothing starts before you start it.",
    ),
    "leaderboard": (
        "avg@k is the mean over tasks of the mean final reward of k attempts, best@k of the best; "
        "dominance is how often a row beats another on a task. Intervals are 95 %, by bootstrap "
        "over tasks.",
        "n counts sessions with a final reward that is official. What is missing, suspect or "
        "unofficial is not in a mean; the line at the top says how many.",
    ),
    "compare": (
        "Choose two models, harnesses or sessions. Only tasks that both were judged on are "
        "compared, pair by pair; the interval is over tasks.",
        "The plot shows the mean of the best reward so far over the share of the budget used.",
    ),
    "gpus": (
        "One line for each device: what it does now, its last minutes, and who holds it. A device "
        "that is lost, throttled or shared with strangers says so under its line.",
    ),
    "replay": (
        "This is a recording: every screen shows the moment in the bar at the bottom, and nothing "
        "can be changed.",
    ),
}


def lines(places: Sequence[Place], cells: int, glyphs: Glyphs, orders: bool = True) -> list[Line]:
    """Help for the places, in `cells` columns; without `orders` for a replay."""
    blank: Line = ((" ", "text"),)
    made: list[Line] = []
    for title, actions in _parts(places, orders):
        made += [((f" {title}", "title"),), *_keys(actions, cells), blank]
    made.append(((" Signs and words", "title"),))
    if "fleet" in places:
        made += [
            *_signs([(sign, word, "text") for word, sign in glyphs.states.items()], cells),
            blank,
        ]
    if "session" in places:
        marks: list[tuple[str, str, Role]] = [
            (glyphs.improved, "improved", "verdict-pass"),
            (glyphs.scored, "no better", "text"),
            (glyphs.failed, "a gate failed", "verdict-fail"),
            (glyphs.unjudged, "not judged", "verdict-unjudged"),
            (glyphs.suspect, "suspect, held for a person", "verdict-suspect"),
            (glyphs.final, "final", "strong"),
        ]
        made += [*_signs(marks, cells), blank]
    for place in places:
        for text in _ABOUT.get(place, ()):
            made += [((f" {part}", "text"),) for part in wrapped(text, cells - 3)]
            made.append(blank)
    return made[:-1]


def _parts(places: Sequence[Place], orders: bool) -> list[tuple[str, list[Action]]]:
    """The actions of the places under titles: what one is most likely to look for first."""
    own = [place for place in places if place not in ("list", "top", "app")]
    mine = [action for action in of(own, orders) if action.place in own]
    plots = ["plot"] if {"session", "compare"} & set(own) else []
    parts = [
        ("This screen", [action for action in mine if not action.order]),
        ("Orders", [action for action in mine if action.order]),
        ("Other screens", of([p for p in places if p == "top"], orders)),
        ("Everywhere", of([p for p in places if p == "app"], orders)),
        ("Lists", of([p for p in places if p == "list"], orders)),
        ("The plot, once `tab` has led there", of(cast("list[Place]", plots), orders)),
    ]
    return [(title, actions) for title, actions in parts if actions]


def _keys(actions: Sequence[Action], cells: int) -> list[Line]:
    made: list[Line] = []
    for action in actions:
        if not action.keys:
            continue
        keys = " ".join(key_word(key) for key in action.keys)
        for index, part in enumerate(wrapped(action.help, max(8, cells - _KEYS - 3))):
            key: Span = (fit(keys if index == 0 else "", _KEYS), "key")
            made.append(tuple(pad([(" ", "text"), key, (part, "text")], cells)))
    return made


def _signs(signs: Sequence[tuple[str, str, Role]], cells: int) -> list[Line]:
    """Signs with their words, several to a line."""
    made: list[Line] = []
    line: list[Span] = [(" ", "text")]
    used = 1
    for sign, word, role in signs:
        size = len(word) + 5
        if used + size > cells and used > 1:
            made.append(tuple(line))
            line, used = [(" ", "text")], 1
        line += [(sign, role), (f" {word}   ", "text")]
        used += size
    made.append(tuple(line))
    return made
