"""From a spec to sessions: the product, its cells, and what is refused by name."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import harnesses
from engine.agents.prompting import system_prompt
from engine.events import Limit
from engine.models.choice import ModelChoiceError, check_key, choose_provider
from engine.models.prices import price_of
from engine.money import Price
from engine.paths import config_dir
from engine.runs.planning import Plan, RunRefusedError, plan, read_spec
from engine.runs.selecting import NothingSelectedError, select
from engine.settings import Settings, SettingsError, load_settings
from engine.state import State, reduce
from tasks import load_task
from tests.engine.support import make_task
from verifier import pins
from verifier.anchors import Calibration, machine_facts, store
from verifier.verdict import Seal, Speedup

FIXTURE = Path(__file__).parents[2] / "verifier" / "fixtures" / "equal_bytes"

LOCAL = {"local": {"base_url": "http://127.0.0.1:1/v1"}}


def planned(suite: Path, **spec: Any) -> Plan:
    return plan(read_spec({"suite": str(suite), **spec}), load_settings(), set(), lambda _: {})


def test_a_run_is_the_product_of_tasks_models_and_attempts(tmp_path: Path) -> None:
    suite = make_task(make_task(tmp_path / "suite", "one"), "two")
    made = planned(
        suite,
        models=["local/a", "local/b"],
        agents=["nop"],
        attempts=2,
        providers=LOCAL,
        budget={"turns": {"hard": 5}},
        size="quick",
    )
    assert made.run.sessions == tuple(made.sessions)
    assert len(made.sessions) == 2 * 3 * 2
    cells = {(s.task, s.model or s.agent, s.attempt) for s in made.sessions.values()}
    assert len(cells) == 12
    first = next(s for s in made.sessions.values() if s.model)
    assert first.agent == "tools"
    assert first.harness == "minimal"
    assert len(first.harness_hash) == 64
    assert first.budget == {"active": Limit(60.0), "wall": Limit(180.0), "turns": Limit(5.0)}
    assert first.reference_reward == pytest.approx(0.8)
    assert (first.metric_name, first.metric_direction) == ("count", "lower")
    assert made.run.spec["providers"] == {
        "local": {
            "base_url": LOCAL["local"]["base_url"],
            "key_env": None,
            "api": None,
            "version": None,
            "prices": None,
        }
    }


def test_a_harness_says_how_many_attempts_there_are_unless_the_run_does(suite: Path) -> None:
    folder = config_dir() / "harnesses"
    folder.mkdir(parents=True)
    (folder / "twice.toml").write_text('extends = "minimal"\nattempts = 2\n')

    def attempts(**more: Any) -> dict[str, list[int]]:
        made = planned(
            suite,
            models=["local/a"],
            agents=["nop"],
            harnesses=["minimal", "twice"],
            providers=LOCAL,
            **more,
        )
        found: dict[str, list[int]] = {}
        for session in made.sessions.values():
            found.setdefault(session.harness, []).append(session.attempt)
        return found

    stated = {"minimal": [1], "twice": [1, 2], "none": [1]}
    assert attempts() == attempts(attempts=None) == stated
    assert attempts(attempts=3) == {harness: [1, 2, 3] for harness in stated}
    one, two = (harnesses.load(name) for name in ("minimal", "twice"))
    assert one.hash == two.hash  # each session is the same, whatever their number
    assert [d.knob for d in harnesses.difference(one, two)] == ["attempts"]


def test_a_task_that_lacks_its_tools_is_refused_before_anything_is_created(suite: Path) -> None:
    spec = read_spec({"suite": str(suite), "agents": ["nop"]})
    with pytest.raises(RunRefusedError, match="count_down is not available here: no gcc"):
        plan(spec, Settings(), set(), lambda tasks: {t.name: "no gcc" for t in tasks})


def test_pairs_choose_cells(tmp_path: Path) -> None:
    suite = make_task(make_task(tmp_path / "suite", "one"), "two")
    pairs = [["one", "nop"], ["tw*", "oracle"], ["*/two", "nop"]]
    made = planned(suite, agents=["nop", "oracle", "ladder"], pairs=pairs)
    assert [(s.task, s.agent) for s in made.sessions.values()] == [
        ("one", "nop"),
        ("two", "nop"),
        ("two", "oracle"),
    ]


def test_cells_choose_single_attempts(tmp_path: Path) -> None:
    suite = make_task(make_task(tmp_path / "suite", "one"), "two")
    cells = [["one", "nop", "none", 2], ["two", "oracle", "none", 1]]
    made = planned(suite, agents=["nop", "oracle"], attempts=2, cells=cells)
    assert [(s.task, s.agent, s.attempt) for s in made.sessions.values()] == [
        ("one", "nop", 2),
        ("two", "oracle", 1),
    ]
    with pytest.raises(RunRefusedError, match="cells leave no session"):
        planned(suite, agents=["nop"], cells=[["one", "nop", "none", 2]])


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({}, "needs a model"),
        ({"agents": ["wizard"]}, "no agent 'wizard'; use one of nop, oracle, ladder"),
        ({"models": ["gpt"]}, "'gpt' is not PROVIDER/NAME"),
        ({"models": ["nowhere/x"]}, r"no provider 'nowhere'.*--provider nowhere=BASE_URL"),
        ({"models": ["openai/x"]}, "OPENAI_API_KEY"),
        ({"models": ["l/x"], "providers": {"l": {"base_url": "ftp://x"}}}, "base_url"),
        (
            {"models": ["local/x"], "harnesses": ["grand"]},
            "no harness 'grand'; use one of autolab, minimal",
        ),
        ({"agents": ["nop"], "tasks": ["three"]}, "matches 'three'; there are: count_down"),
        ({"agents": ["nop"], "suite": "/nonexistent"}, "/nonexistent"),
        ({"agents": ["nop"], "suite": "tasks"}, "suite = 'tasks' must be an absolute path"),
        ({"agents": ["nop"], "attempts": 0}, "attempts = 0"),
        ({"agents": ["nop"], "attempts": 2000}, "attempts = 2000"),
        ({"agents": ["nop"], "concurrency": 0}, "concurrency = 0"),
        ({"agents": ["nop"], "size": "huge"}, "huge"),
        ({"agents": ["nop"], "budget": {"active": {"hard": -1}}}, "active=-1"),
        ({"agents": ["nop"], "budget": {"time": {"hard": 1}}}, "no limit 'time'"),
        (
            {"models": ["local/x"], "budget": {"cost": {"hard": 1}}},
            r"price of local/x.*does not know the address.*\[providers.local.prices.\"x\"\]",
        ),
        ({"agents": ["nop"], "pairs": [["none", "nop"]]}, "pairs leave no session"),
        ({"agents": ["nop"], "colour": "red"}, "colour"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(
    suite: Path, monkeypatch: pytest.MonkeyPatch, spec: dict[str, Any], said: str
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(RunRefusedError, match=said):
        planned(**{"suite": suite, "providers": LOCAL, **spec})


def test_a_task_that_was_changed_after_it_was_pinned_is_refused(suite: Path) -> None:
    (suite / "count_down" / "tests" / "judge.py").write_text("def judge(f, p): return {}\n")
    with pytest.raises(RunRefusedError, match=r"tests/judge.py was changed.*tasks pin"):
        planned(suite, agents=["nop"])


def test_a_foreign_task_is_marked_and_needs_no_pins(tmp_path: Path) -> None:
    task = tmp_path / "suite" / "foreign"
    (task / "tests").mkdir(parents=True)
    (task / "environment").mkdir()
    (task / "task.toml").write_text('schema_version = "1.2"\n[agent]\ntimeout_sec = 5\n')
    (task / "instruction.md").write_text("Do it.\n")
    (task / "tests" / "test.sh").write_text("exit 0\n")
    made = planned(tmp_path / "suite", agents=["nop"], size="quick")
    (session,) = made.sessions.values()
    assert (session.timed_by, session.anchors, session.reference_reward) == ("task", None, 0.5)
    assert session.budget["active"].hard == 5.0


@given(st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=5)))
def test_any_spec_is_read_or_refused(data: dict[str, Any]) -> None:
    try:
        read_spec(data)
    except RunRefusedError as error:
        assert "its keys are" in str(error)


def test_the_file_and_the_environment_make_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / "autolab.toml").write_text(
        "concurrency = 7\nverification_share = 0.5\n"
        '[providers.lab]\nbase_url = "http://lab/v1"\nkey_env = "LAB_KEY"\n'
        "[providers.lab.prices.big]\ninput = 3.0\noutput = 15.0\n"
        "[outcomes]\nnoise = 0.1\n"
    )
    monkeypatch.setenv("AUTOLAB_CONCURRENCY", "9")
    monkeypatch.setenv("LAB_KEY", "secret")
    settings = load_settings()
    assert (settings.concurrency, settings.verification_share) == (9, 0.5)
    assert settings.thresholds().noise == 0.1
    provider, name = choose_provider("lab/big", settings, {})
    assert (provider.base_url, provider.key.env, name) == ("http://lab/v1", "LAB_KEY", "big")
    assert price_of("lab/big", settings, {}).price == Price(input=3.0, output=15.0)
    monkeypatch.delenv("LAB_KEY")
    with pytest.raises(ModelChoiceError, match=r"LAB_KEY holds no key.*`autolab engine restart`"):
        check_key(provider)
    overridden, _ = choose_provider("lab/big", settings, {"lab": {"base_url": "http://x/v1"}})
    assert (overridden.base_url, overridden.key.env) == ("http://x/v1", None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("concurrency = 0", r"setting concurrency = 0 does not fit"),
        ("colour = 1", r"setting colour = 1 is unknown; it can be concurrency, "),
        ("concurency = 1", r"concurency = 1 is unknown; did you mean 'concurrency'"),
        ("[notify]\nurl = 1", r"notify.url = 1 is unknown; did you mean 'urls'"),
        (
            "[providers.x]\nbase_url = 'http://x'\nprices.b = {input = 1, output = 1, cache = 1}",
            r"prices.b.cache = 1 is unknown; it can be input",
        ),
        ("[providers.x]\napi = 'chat'", r"providers.x.base_url is missing; mend it in"),
        ("[providers.x]\nbase_url = 'x'", r"providers.x.base_url = 'x' is no address; write http"),
        ("= broken", r"autolab.toml cannot be read"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(tmp_path: Path, text: str, said: str) -> None:
    config = tmp_path / "config"
    config.mkdir()
    (config / "autolab.toml").write_text(text)
    with pytest.raises(SettingsError, match=said):
        load_settings()


def test_a_settings_file_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "config" / "autolab.toml"
    file.parent.touch()
    with pytest.raises(SettingsError, match=r"config is no folder; AUTOLAB_CONFIG"):
        load_settings()
    file.parent.unlink()
    file.mkdir(parents=True)
    with pytest.raises(SettingsError, match=r"autolab.toml is no file; remove it"):
        load_settings()
    file.rmdir()
    file.write_bytes("concurrency = 2".encode("utf-16"))
    with pytest.raises(SettingsError, match=r"autolab.toml is not UTF-8 text \(byte 0\)"):
        load_settings()


def test_without_a_file_the_defaults_hold() -> None:
    assert load_settings() == Settings()


def test_the_harness_is_data_with_a_hash() -> None:
    minimal = harnesses.load("minimal")
    assert minimal.feedback == "sealed"
    assert minimal.tools == ("bash", "edit", "submit")
    assert minimal.hash == harnesses.load("minimal").hash != ""
    with pytest.raises(harnesses.HarnessError, match="did you mean 'minimal'"):
        harnesses.load("../minimal")


def test_the_system_prompt_states_the_facts(suite: Path) -> None:
    from tasks import load_task

    class Facts:
        task = load_task(suite / "count_down")
        harness = harnesses.load("minimal")
        budget = "1 min of working time"
        active_sec = 60.0
        size = "quick"

    said = system_prompt(Facts())
    assert "answer.txt" in said
    assert "1 min of working time" in said
    assert "{" not in said


def test_globs_choose_sessions(suite: Path) -> None:
    from engine.events import Event

    made = planned(
        suite, models=["local/small", "local/big"], agents=["nop"], providers=LOCAL, attempts=2
    )
    state = State()
    for seq, (session, body) in enumerate([(None, made.run), *made.sessions.items()], 1):
        reduce(state, Event("e", seq, 0.0, "b", 0.0, session, body))
    ids = list(made.sessions)
    state.sessions[ids[0]].state = "finished"
    assert select(state, [made.run.run]) == ids[1:]
    assert select(state, [ids[3]]) == [ids[3]]
    assert select(state, [ids[0]]) == []
    assert len(select(state, ["model:local/big"])) == 2
    assert select(state, ["model:big"]) == select(state, ["model:local/big"])
    assert len(select(state, ["task:count*"])) == 5
    assert len(select(state, ["state:queued", made.run.run])) == 5
    for glob, said in (
        ("model:huge", "no session matches 'model:huge'; model is one of local/big, local/small"),
        ("task:count_dwn", "did you mean 'task:count_down'"),
        ("tsk:x", "or model:GLOB, task:GLOB"),
        (ids[0][:-1] + "x", "did you mean"),
    ):
        with pytest.raises(NothingSelectedError, match=said):
            select(state, [glob])


def test_the_documented_settings_are_all_there_are(tmp_path: Path) -> None:
    import re

    doc = (Path(__file__).parents[3] / "docs" / "settings.md").read_text()
    config = tmp_path / "config"
    config.mkdir()
    (config / "autolab.toml").write_text(re.findall(r"```toml\n(.*?)```", doc, re.DOTALL)[0])
    documented = load_settings()
    assert set(documented.model_fields_set) == set(Settings.model_fields)
    same = Settings().model_dump(exclude={"providers", "concurrency"})
    assert documented.model_dump(exclude={"providers", "concurrency"}) == same


def test_sessions_keep_the_anchors_that_their_run_began_with(tmp_path: Path) -> None:
    suite = tmp_path / "suite"
    task_dir = suite / "equal_bytes"
    shutil.copytree(FIXTURE, task_dir)
    pins.write(task_dir)
    task = load_task(task_dir)
    folder = tmp_path / "calibrations"
    measured = Calibration(
        task=task.name,
        task_hash=pins.task_hash(task_dir),
        size="quick",
        machine=machine_facts(task),
        stage="01-histogram",
        baseline=0.2,
        reference=0.01,
        speedup=Speedup(20.0, None, (0.2,)),
        samples=(0.01,),
        seal=Seal("full", "driver", True),
        at="2026-11-25T10:00:00.000Z",
    )

    def made(**spec: Any) -> Plan:
        asked = read_spec({"suite": str(suite), "agents": ["nop"], "size": "quick", **spec})
        return plan(asked, load_settings(), set(), lambda _: {}, folder)

    before = made(anchors="calibrated")
    [session] = before.sessions.values()
    assert session.anchors is not None
    assert session.anchors.source == "task"
    assert "was not calibrated here" in " ".join(before.notes)

    store(measured, folder)
    [session] = made(anchors="calibrated").sessions.values()
    assert session.anchors == measured.anchors
    assert session.reference_reward == pytest.approx(0.5)
    [session] = made().sessions.values()
    assert session.anchors is not None
    assert session.anchors.source == "task"
    with pytest.raises(RunRefusedError, match="anchors"):
        made(anchors="guessed")
