"""The engine in numbers for a monitoring system: Prometheus' text format, version 0.0.4.

Labels come from closed lists, but for models, providers and causes of failure: of those the first
hundred by name, or the thirty most frequent, have a series of their own, and the rest are one.
Sessions, runs and tasks are no labels, and nothing that an agent wrote is in one.
"""

from __future__ import annotations

import re
import typing
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from engine.analysis.counting import name_of, standing
from engine.clock import Clock, ClockCause, ClockState
from engine.events import Outcome, SessionPhase, Usage
from engine.objects import EngineObject
from engine.state import SessionState, State
from engine.state.providers import OTHERS, ProviderState
from engine.state.waiting import Held, held_up

MOST_MODELS = 100
MOST_CAUSES = 30
_LABEL = 200  # characters of a label that are kept
_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
Kind = Literal["gauge", "counter", "histogram"]
Labels = dict[str, str]


class Sample(msgspec.Struct, frozen=True):
    """One value; `suffix` follows the family's name (`_bucket`, `_sum`, `_count`)."""

    labels: Labels
    value: float
    suffix: str = ""


class Family(msgspec.Struct, frozen=True):
    """One metric with all its series."""

    name: str
    type: Kind
    help: str
    samples: list[Sample]


def families(state: State, engine: EngineObject, clock: Clock) -> list[Family]:
    """Everything that is told, as of now."""
    sessions = list(state.sessions.values())
    model_of = _models(sessions)
    return [
        *_of_engine(engine),
        *_of_sessions(state, sessions),
        *_rewards(sessions, model_of),
        *_clocks(sessions, clock),
        *_usage(sessions, model_of),
        *_providers(state, sessions, clock),
    ]


def exposition(found: Iterable[Family]) -> str:
    """The text that a scraper reads."""
    lines = []
    for family in found:
        lines.append(f"# HELP {family.name} {_help(family.help)}")
        lines.append(f"# TYPE {family.name} {family.type}")
        lines += [
            f"{family.name}{sample.suffix}{_labels(sample.labels)} {_number(sample.value)}"
            for sample in family.samples
        ]
    return "\n".join(lines) + "\n"


def _help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    pairs = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + ",".join(pairs) + "}"


def _escaped(value: str) -> str:
    clean = value.encode("utf-8", "replace").decode()
    return clean.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    whole = float(value)
    return str(int(whole)) if whole.is_integer() and abs(whole) < 1e15 else repr(whole)


def _models(sessions: Iterable[SessionState]) -> dict[str, str]:
    """The label of each model: its name, or that of the rest."""
    return _labelled({name_of(session) for session in sessions})


def _labelled(names: Iterable[str]) -> dict[str, str]:
    """The label of each name; all but the first hundred have one together."""
    ordered = sorted(names)
    return {name: _quiet(name) if i < MOST_MODELS else OTHERS for i, name in enumerate(ordered)}


def _quiet(text: str) -> str:
    """A name from elsewhere as a label that neither a terminal nor a page of text obeys."""
    return _OBEYED.sub("\N{REPLACEMENT CHARACTER}", text[:_LABEL])


def _family(name: str, kind: Kind, text: str, values: Iterable[tuple[Labels, float]]) -> Family:
    return Family(f"autolab_{name}", kind, text, [Sample(labels, v) for labels, v in values])


def _by(
    label: str, known: Sequence[str], counts: Mapping[Any, float]
) -> list[tuple[Labels, float]]:
    """A value for each of a closed list, 0 included, so that no series comes and goes."""
    return [({label: name}, counts.get(name, 0)) for name in known]


def _by_cause(counts: Mapping[str, int]) -> list[tuple[Labels, float]]:
    """A value for each cause of failure: what they are depends on what providers answer."""
    shown: Counter[str] = Counter()
    for cause, count in counts.items():
        shown[_quiet(cause)] += count
    ordered = sorted(shown.items(), key=lambda item: (-item[1], item[0]))
    found: list[tuple[Labels, float]] = [({"cause": c}, n) for c, n in ordered[:MOST_CAUSES]]
    if rest := ordered[MOST_CAUSES:]:
        found.append(({"cause": OTHERS}, sum(n for _, n in rest)))
    return found


def _of_engine(engine: EngineObject) -> list[Family]:
    return [
        _family("engine_info", "gauge", "The engine that answers.",
                [({"version": engine.version}, 1)]),
        _family("engine_uptime_seconds", "gauge", "How long this engine has run.",
                [({}, engine.uptime)]),
        _family("engine_loop_lag_seconds", "gauge", "How late the sessions' loop runs now.",
                [({}, engine.loop_lag)]),
        _family("engine_loop_lag_worst_seconds", "gauge",
                "How late the sessions' loop ran at worst in the last minute.",
                [({}, engine.loop_lag_worst)]),
        _family("engine_trouble", "gauge", "1 while something keeps the engine from recording.",
                [({}, 1 if engine.trouble else 0)]),
        _family("engine_sessions_running", "gauge", "Sessions that have a slot.",
                [({}, engine.sessions_running)]),
        _family("api_errors", "gauge", "Failed model calls of the last hour, by cause.",
                _by_cause(engine.api_errors)),
    ]  # fmt: skip


def _of_sessions(state: State, sessions: Sequence[SessionState]) -> list[Family]:
    phases = Counter(session.state for session in sessions)
    outcomes = Counter(session.outcome for session in sessions if session.outcome)
    standings = Counter(standing(session) for session in sessions)
    retries: Counter[str] = Counter()
    for session in sessions:
        retries.update(session.retry_causes)
    totals = (
        ("snapshots", "Snapshots of changed editable files.", sum(s.snapshots for s in sessions)),
        ("verdicts", "Verdicts given.", sum(len(s.points) for s in sessions)),
        ("compactions", "Conversations compacted.", sum(s.compactions for s in sessions)),
        ("rebuilds", "Sandboxes built anew.", sum(s.rebuilds for s in sessions)),
        ("turns_abandoned", "Model turns given up.", sum(s.turns_abandoned for s in sessions)),
    )
    return [
        _family("runs", "gauge", "Runs that the journal knows.", [({}, len(state.runs))]),
        _family("sessions", "gauge", "Sessions by state.",
                _by("state", typing.get_args(SessionPhase), phases)),
        _family("session_outcomes", "gauge", "Ended sessions by outcome class.",
                _by("outcome", typing.get_args(Outcome), outcomes)),
        _family("session_standings", "gauge", "Sessions by how they stand in tables.",
                _by("standing", ("counted", "not_judged", "suspect", "unfinished"), standings)),
        _family("alerts", "gauge", "Alerts that need the operator.",
                [({}, sum(len(s.alerts) for s in sessions))]),
        _family("model_retries_total", "counter", "Model calls tried again, by cause.",
                _by_cause(retries)),
        *(_family(f"{name}_total", "counter", text, [({}, n)]) for name, text, n in totals),
    ]  # fmt: skip


def _rewards(sessions: Iterable[SessionState], model_of: Mapping[str, str]) -> list[Family]:
    finals: dict[str, list[float]] = defaultdict(list)
    for session in sessions:
        if standing(session) == "counted" and session.final_reward is not None:
            finals[model_of[name_of(session)]].append(session.final_reward)
    samples = []
    for model, rewards in sorted(finals.items()):
        for bound in (*_BUCKETS, float("inf")):
            text = "+Inf" if bound == float("inf") else f"{bound:g}"
            upto = sum(reward <= bound for reward in rewards)
            samples.append(Sample({"model": model, "le": text}, upto, "_bucket"))
        samples.append(Sample({"model": model}, round(sum(rewards), 9), "_sum"))
        samples.append(Sample({"model": model}, len(rewards), "_count"))
    text = "Final rewards of the sessions that count, by model."
    return [Family("autolab_final_reward", "histogram", text, samples)]


def _clocks(sessions: Iterable[SessionState], clock: Clock) -> list[Family]:
    boot, now = clock.boot(), clock.now()
    spent: dict[ClockState, float] = {"working": 0.0, "frozen": 0.0, "waiting": 0.0, "paused": 0.0}
    causes: dict[str, float] = defaultdict(float)
    listed = list(sessions)
    for session in listed:
        for name in spent:
            spent[name] += session.clocks.seconds(name, boot, now)
        for cause, seconds in session.clocks.by_cause(boot, now).items():
            causes[cause] += seconds
    known = [cause for part in typing.get_args(ClockCause) for cause in _flat(part) if cause]
    return [
        _family("clock_seconds_total", "counter", "Seconds of all sessions, by state of the clock.",
                _by("state", tuple(spent), {k: round(v, 3) for k, v in spent.items()})),
        _family("clock_cause_seconds_total", "counter",
                "Seconds of all sessions that were no work, by cause.",
                _by("cause", known, {k: round(v, 3) for k, v in causes.items()})),
        _family("gpu_seconds_total", "counter",
                "Seconds for which GPUs were leased to working sessions, all devices added up.",
                [({}, round(sum(s.gpu_time.seconds(boot, now) for s in listed), 3))]),
        _family("gpus_leased", "gauge", "GPUs that are leased, once for each session.",
                [({}, sum(len(s.lease) for s in listed))]),
    ]  # fmt: skip


def _flat(part: object) -> tuple[str, ...]:
    return (part,) if isinstance(part, str) else typing.get_args(part)


def _usage(sessions: Iterable[SessionState], model_of: Mapping[str, str]) -> list[Family]:
    by_model: dict[str, Usage] = {}
    for session in sessions:
        if session.model is None:
            continue
        model = model_of[session.model]
        by_model[model] = by_model.get(model, Usage()) + session.usage
    rows = sorted(by_model.items())
    kinds = ("input", "cached", "cache_write", "output")
    return [
        _family("tokens_total", "counter",
                "Tokens by model and kind; input, cached and cache_write add up to what was sent.",
                [({"model": m, "kind": k}, getattr(u, k)) for m, u in rows for k in kinds]),
        _family("turns_total", "counter", "Model turns by model.",
                [({"model": m}, u.turns) for m, u in rows]),
        _family("cost_usd_total", "counter", "US dollars by model, as far as they are known.",
                [({"model": m}, u.cost) for m, u in rows if u.cost is not None]),
        _family("unpriced_calls_total", "counter",
                "Model calls whose cost is unknown or known in part, by model.",
                [({"model": m}, u.unpriced) for m, u in rows]),
    ]  # fmt: skip


def _providers(state: State, sessions: Iterable[SessionState], clock: Clock) -> list[Family]:
    """How each provider's API answers; what waits for it is of the sessions at work."""
    boot, now, at = clock.boot(), clock.now(), clock.wall()
    held = held_up(sessions)
    label = _labelled({*state.providers, *held})
    answered: Counter[str] = Counter()
    failed: dict[str, Counter[str]] = {}
    rates: Counter[str] = Counter()
    in_line: Counter[str] = Counter()
    backing: Counter[str] = Counter()
    places: dict[str, int] = {}
    left: dict[str, float] = {}
    for name, shown in label.items():
        known, waits = state.providers.get(name, ProviderState()), held.get(name, Held())
        answered[shown] += known.answered
        failed.setdefault(shown, Counter()).update(known.failed)
        rates[shown] += round(known.rate(at) * 1000)
        in_line[shown] += waits.in_line
        backing[shown] += waits.backing
        left[shown] = max(left.get(shown, 0.0), round(waits.left(boot, now), 3))
        if known.places is not None:
            places[shown] = places.get(shown, 0) + known.places

    def each(values: Mapping[str, float]) -> list[tuple[Labels, float]]:
        return [({"provider": name}, value) for name, value in sorted(values.items())]

    causes = [
        ({"provider": name, **labels}, count)
        for name, counts in sorted(failed.items())
        for labels, count in _by_cause(counts)
    ]
    return [
        _family("provider_answers_total", "counter", "Model calls that were answered, by provider.",
                each({name: answered[name] for name in failed})),
        _family("provider_failures_total", "counter",
                "Model calls that failed, by provider and cause.", causes),
        _family("provider_answers_per_minute", "gauge",
                "Answers a minute over the last five, by provider.",
                each({name: rates[name] / 1000 for name in failed})),
        _family("provider_calls_at_once", "gauge",
                "Calls that the provider's account is known to take at once; absent while unknown.",
                each(places)),
        _family("provider_sessions_in_line", "gauge",
                "Sessions that wait until the account takes one more call, by provider.",
                each({name: in_line[name] for name in failed})),
        _family("provider_sessions_backing_off", "gauge",
                "Sessions that wait after a failed call, by provider.",
                each({name: backing[name] for name in failed})),
        _family("provider_backoff_seconds", "gauge",
                "Seconds until the last of them is tried again, by provider; 0 when none waits.",
                each(left)),
    ]  # fmt: skip
