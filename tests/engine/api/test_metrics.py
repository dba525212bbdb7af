"""The engine's numbers: the text format as a scraper reads it, and bounded labels."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from engine.api.metrics import MOST_MODELS, OTHERS, Family, Sample, exposition, families
from engine.clock import Clock, Clocks
from engine.events import Usage
from engine.objects import ENGINE_SCHEMA, EngineObject
from engine.state import ProviderState, SessionState
from engine.state.providers import Minute
from tests.engine.analysis.making import BOOT, over, session, state

CLOCK = Clock(lambda: BOOT, lambda: 0.0, lambda: 1e9)
_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
_SAMPLE = re.compile(rf"^({_NAME})(?:\{{(.*)\}})? (-?[0-9.e+-]+|NaN|[+-]Inf)$", re.DOTALL)
Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def engine(**errors: int) -> EngineObject:
    return EngineObject(
        ENGINE_SCHEMA, 1, '0.1"\\\n', "/s", 10.5, 0.01, 2, 0.2, errors, "disk full"
    )  # fmt: skip


def parse(text: str) -> Series:
    """The series, as strictly as the format is written; each has a HELP and a TYPE before it."""
    found: Series = {}
    kinds: dict[str, str] = {}
    helped: set[str] = set()
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            helped.add(line.split(" ")[2])
        elif line.startswith("# TYPE "):
            name, kind = line.split(" ")[2:]
            assert name not in kinds
            assert kind in ("gauge", "counter", "histogram")
            assert kind != "counter" or name.endswith("_total")
            kinds[name] = kind
        else:
            match = _SAMPLE.match(line)
            assert match, line
            family = re.sub(r"_(bucket|sum|count)$", "", match[1])
            name = match[1] if match[1] in kinds else family
            assert name in kinds and name in helped, line
            inside = match[2] or ""
            labels = tuple((m[1], m[2]) for m in _LABEL.finditer(inside))
            assert _LABEL.sub("", inside) == ""
            key = (match[1], labels)
            assert key not in found, line
            found[key] = float(match[3])
    return found


def told(*sessions: SessionState, **errors: int) -> Series:
    return parse(exposition(families(state(*sessions), engine(**errors), CLOCK)))


def value(series: Series, name: str, **labels: str) -> float:
    return series[f"autolab_{name}", tuple(labels.items())]


def test_what_is_told() -> None:
    series = told(
        over("r-1", 0.35, model="lab/a", usage=Usage(input=7, turns=2, cost=0.5),
             retry_causes={"429 rate limit": 3}),
        over("r-2", 1.0, model="lab/a", usage=Usage(output=5, turns=1)),
        over("r-3", None, clocks=Clocks(waiting=4.0, causes={"retry": 4.0})),
        session("r-4", model=None, agent="nop"),
        timeout=2,
    )  # fmt: skip
    assert value(series, "sessions", state="finished") == 3
    assert value(series, "sessions", state="queued") == 0
    assert value(series, "session_outcomes", outcome="infrastructure") == 1
    assert value(series, "session_standings", standing="counted") == 2
    assert value(series, "model_retries_total", cause="429 rate limit") == 3
    assert value(series, "api_errors", cause="timeout") == 2
    assert value(series, "engine_trouble") == 1
    assert value(series, "engine_loop_lag_seconds") == 0.01
    assert value(series, "clock_seconds_total", state="waiting") == 4.0
    assert value(series, "clock_cause_seconds_total", cause="retry") == 4.0
    assert value(series, "clock_cause_seconds_total", cause="no credit") == 0
    assert value(series, "tokens_total", model="lab/a", kind="input") == 7
    assert value(series, "turns_total", model="lab/a") == 3
    assert value(series, "cost_usd_total", model="lab/a") == 0.5
    assert value(series, "unpriced_calls_total", model="lab/a") == 1
    assert value(series, "engine_info", version=r"0.1\"\\\n") == 1


def test_how_each_providers_api_fares() -> None:
    waiting = Clocks(state="waiting", cause="rate limit", boot=BOOT)
    one = session("r-1", model="lab/a", clocks=waiting, retry_boot=BOOT, retry_stamp=12.5)
    two = session("r-2", model="lab/b", clocks=waiting, retry_boot="before", retry_stamp=99.0)
    line = Clocks(state="waiting", cause="connection", boot=BOOT)
    three = session("r-3", model="lab/b", clocks=line)
    made = state(one, two, three, session("r-4", model="other/c"), session("r-5", model=None))
    lab = ProviderState(places=3, answered=7, failed={"429 rate limit": 2, "a\x1b[2J": 1})
    made.providers["lab"] = lab
    lab.minutes.append(Minute(int(CLOCK.wall() // 60), 5))
    series = parse(exposition(families(made, engine(), CLOCK)))
    assert value(series, "provider_answers_total", provider="lab") == 7
    assert value(series, "provider_answers_total", provider="other") == 0
    causes = {"cause": "429 rate limit"}, {"cause": "a\ufffd[2J"}
    assert [value(series, "provider_failures_total", provider="lab", **c) for c in causes] == [2, 1]
    assert value(series, "provider_answers_per_minute", provider="lab") == 1
    assert value(series, "provider_calls_at_once", provider="lab") == 3
    assert ("autolab_provider_calls_at_once", (("provider", "other"),)) not in series
    assert value(series, "provider_sessions_in_line", provider="lab") == 1
    assert value(series, "provider_sessions_backing_off", provider="lab") == 2
    assert value(series, "provider_backoff_seconds", provider="lab") == 12.5
    assert value(series, "provider_backoff_seconds", provider="other") == 0


def test_rewards_are_a_cumulative_histogram() -> None:
    series = told(*(over(f"r-{n}", n / 10, model="m") for n in range(11)))
    buckets = [v for (name, _), v in series.items() if name == "autolab_final_reward_bucket"]
    assert buckets == sorted(buckets)
    assert value(series, "final_reward_bucket", model="m", le="0.5") == 6
    assert value(series, "final_reward_bucket", model="m", le="+Inf") == 11
    assert value(series, "final_reward_count", model="m") == 11
    assert value(series, "final_reward_sum", model="m") == 5.5


def test_names_that_a_terminal_obeys_are_labels_without_it_and_one_series() -> None:
    odd = [
        over(f"r-{n}", 0.5, model=model, usage=Usage(turns=1), retry_causes={model: 1})
        for n, model in enumerate(("m\x1b[2J", "m\x9b[2J", "m\r[2J"))
    ]
    series = told(*odd)
    assert value(series, "turns_total", model="m\ufffd[2J") == 3
    assert value(series, "model_retries_total", cause="m\ufffd[2J") == 3
    assert value(series, "final_reward_count", model="m\ufffd[2J") == 3


def test_labels_are_bounded() -> None:
    many = [
        over(f"r-{n}", 0.5, model=f"m{n:04}", usage=Usage(turns=1),
             retry_causes={f"cause {n}": 1})
        for n in range(MOST_MODELS + 50)
    ]  # fmt: skip
    series = told(*many)
    models = {dict(labels).get("model") for _, labels in series}
    assert len(models - {None}) == MOST_MODELS + 1
    assert value(series, "turns_total", model=OTHERS) == 50
    causes = [labels for name, labels in series if name == "autolab_model_retries_total"]
    assert len(causes) == 31
    assert value(series, "model_retries_total", cause=OTHERS) == MOST_MODELS + 20
    few = told(over("r-1", 0.5))
    assert len(series) < len(few) + 30 + MOST_MODELS * 30


@given(st.text(), st.floats(-1e20, 1e20))
def test_any_label_and_number_survive(label: str, number: float) -> None:
    family = Family("autolab_x", "gauge", "a\nb\\c", [Sample({"model": label}, number)])
    [((name, [(_, escaped)]), found)] = parse(exposition([family])).items()
    assert name == "autolab_x"
    assert found == number
    back = re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], escaped)
    assert back == label.encode("utf-8", "replace").decode()


def test_an_empty_engine_has_numbers_too() -> None:
    assert value(told(), "runs") == 0
