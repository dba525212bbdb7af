"""Harness files: what they may say, how a mistake is answered, and what the hash covers."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import harnesses
from engine.agents.offers import schemas
from engine.harnesses import COMMAND_SLOTS
from engine.harnesses.harness import KNOBS, Context, Feedback, Stop, Time, Tool
from engine.paths import config_dir

# Some change what the model sees through others; `attempts` does not change it at all, and the
# last two only in their own loop.
APART = ("description", "prompt", "loop", "attempts", "command", "program")
PRESETS = {"autolab", "minimal", "persistent", "scored", "timeaware"}


def write(name: str, text: str) -> Path:
    path = config_dir() / "harnesses" / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_presets_are_sound_and_no_two_are_the_same() -> None:
    sound, broken = harnesses.everything()
    assert broken == []
    assert set(sound) == PRESETS
    assert len({harness.hash for harness in sound.values()}) == len(PRESETS)
    assert len({harness.description for harness in sound.values()}) == len(PRESETS)


def test_every_tool_that_a_harness_may_name_is_offered() -> None:
    assert [schema.name for schema in schemas(get_args(Tool))] == list(get_args(Tool))
    assert schemas([harnesses.TIME_TOOL])[0].name == harnesses.TIME_TOOL


def test_a_file_of_the_operators_states_only_what_differs() -> None:
    write("mine", 'extends = "scored"\ntime = "on-request"\n')
    mine, scored = harnesses.load("mine"), harnesses.load("scored")
    (found,) = harnesses.difference(scored, mine)
    assert (found.knob, found.first, found.second) == ("time", "start", "on-request")
    assert mine.description == scored.description
    assert mine.offered == (*scored.tools, "time_left")
    assert "mine" in harnesses.names()


def test_a_prompt_of_the_operators_is_part_of_the_hash_and_its_name_is_not() -> None:
    folder = config_dir() / "harnesses" / "prompts"
    folder.mkdir(parents=True)
    (folder / "terse.md").write_text("Make {editable} better. {not a slot} {}")
    (folder / "same.md").write_text("Make {editable} better. {not a slot} {}")
    (folder / "plain.md").write_text("no preset changes because of this file")
    write("a", 'extends = "minimal"\nprompt = "terse"\n')
    write("b", 'extends = "minimal"\nprompt = "same"\n')
    write("c", 'extends = "minimal"\nprompt = "plain"\n')
    a, b, c, minimal = (harnesses.load(name) for name in ("a", "b", "c", "minimal"))
    assert a.system.startswith("Make")
    assert a.hash == b.hash != minimal.hash
    assert c.hash == minimal.hash
    (folder / "terse.md").write_text("Make {editable} much better.")
    assert harnesses.load("a").hash != b.hash


@pytest.mark.parametrize("knob", [k for k in KNOBS if k not in APART])
def test_every_knob_changes_the_hash(knob: str) -> None:
    others = {
        "feedback": "gates",
        "feedback_minutes": 7.0,
        "time": "none",
        "reference": True,
        "stop": "confirm",
        "plateau": 0.5,
        "tools": ("bash",),
        "output_chars": 999,
        "command_timeout_sec": 1.0,
        "command_timeout_max_sec": 4000.0,
        "nudge": "Go on.",
        "nudges": 9,
        "context": "none",
        "context_tokens": 100_000,
    }
    minimal = harnesses.load("minimal")
    assert msgspec.structs.replace(minimal, **{knob: others[knob]}).hash != minimal.hash
    renamed = msgspec.structs.replace(minimal, name="x", description="y", prompt="z", attempts=7)
    assert renamed.hash == minimal.hash


COMMAND = """
extends = "minimal"
loop = "command"
tools = []
command = ["my-agent", "--task", "{instruction_file}"]
"""


def test_a_command_is_part_of_the_hash_of_its_loop_alone() -> None:
    write("mine", COMMAND)
    mine, minimal = harnesses.load("mine"), harnesses.load("minimal")
    assert mine.command == ("my-agent", "--task", "{instruction_file}")
    assert mine.program == ""
    for knob, value in (("command", ("other", "{instruction}")), ("program", "/opt/x")):
        assert msgspec.structs.replace(mine, **{knob: value}).hash != mine.hash
        assert msgspec.structs.replace(minimal, **{knob: value}).hash == minimal.hash
    write("back", 'extends = "mine"\nloop = "tools"\ntools = ["bash", "edit", "submit"]\n')
    assert harnesses.load("back").hash == minimal.hash


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("command = []", r"command = \[\] names no program"),
        ('command = [" ", "{instruction}"]', r"command = \[\] names no program"),
        ('command = "my-agent"', "command = 'my-agent' does not fit"),
        ('command = ["my-agent"]', r"tells the agent no task; give it \{instruction_file\}"),
        ('command = ["a", "{instruction}", "{modle}"]', r"command has \{modle\}; only \{instr"),
        ('command = ["a\\u0000", "{instruction}"]', "zero byte"),
        ('command = ["a", "{instruction}", "{program}"]', 'program is ""; give the folder'),
        ('program = "my-agent"', "program = 'my-agent' must be the absolute path"),
        ('program = "/opt/../etc"', "must be the absolute path"),
        ('program = "/"', "must be the absolute path"),
        (
            'tools = ["bash"]',
            r"tools = \['bash'\] must be \[\] with loop = .command., which has its",
        ),
        ('feedback = "score"', 'feedback = "score" cannot be told to a command; use "sealed"'),
        ('time = "every-turn"', 'time = "every-turn" cannot be told to a command; use "start"'),
        (
            'time = "none"\ncommand = ["a", "{instruction}", "{budget_sec}"]',
            'which time = "none" does not',
        ),
    ],
)
def test_a_mistake_in_a_command_is_answered_too(text: str, said: str) -> None:
    write("mine", COMMAND)
    path = write("wrong", f'extends = "mine"\n{text}')
    with pytest.raises(harnesses.HarnessError, match=said) as caught:
        harnesses.load("wrong")
    assert str(path) in str(caught.value)


def test_braces_that_are_no_slots_are_left_to_the_shell() -> None:
    write("mine", COMMAND)
    script = "'echo ${HOME} {a,b} {} { x; }; my-agent \"$1\"'"
    write("shell", f'extends = "mine"\ncommand = ["bash", "-c", {script}, "x", "{{instruction}}"]')
    assert harnesses.load("shell").command[2].startswith("echo ${HOME} {a,b}")


def test_a_command_means_nothing_to_the_other_loops() -> None:
    write("wrong", 'extends = "minimal"\ncommand = ["my-agent", "{instruction}"]')
    with pytest.raises(harnesses.HarnessError, match='means something with loop = "command" only'):
        harnesses.load("wrong")
    write("wrong", 'extends = "minimal"\nloop = "command"\ntools = []')
    with pytest.raises(harnesses.HarnessError, match=r"command = .. names no program"):
        harnesses.load("wrong")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("time = ", "is no TOML"),
        ('extends = "minimal"\ntimes = "none"', r"no knob times \(= 'none'\); did you mean 'time'"),
        ('extends = "minimal"\ncolour = 3', r"no knob colour \(= 3\); the knobs are"),
        ('extends = "minimal"\nsystem = "x"', "no knob system"),
        ('extends = "minimal"\nhash = "x"', "no knob hash"),
        ('extends = "minimal"\ntime = "often"', "time = 'often' does not fit.*every-turn"),
        ('extends = "minimal"\ntools = ["bash", "web"]', "tools = .*web.*can be bash, edit, read"),
        ('extends = "minimal"\ntools = ["read"]', "can change no file; add bash or edit"),
        ('extends = "minimal"\ntools = ["bash", "bash"]', "names a tool twice"),
        ('extends = "minimal"\nnudges = "two"', "nudges = 'two' does not fit"),
        ('extends = "minimal"\nnudges = -1', "nudges = -1 must be 0 or more"),
        ('extends = "minimal"\noutput_chars = 3', "output_chars = 3 must be 500"),
        ('extends = "minimal"\ncommand_timeout_sec = 0', "command_timeout_sec = 0.*above 0"),
        ('extends = "minimal"\ncommand_timeout_sec = nan', "command_timeout_sec = nan"),
        ('extends = "minimal"\ncommand_timeout_sec = 9999', "above command_timeout_max_sec = 1800"),
        ('extends = "minimal"\nplateau = 0.3', 'stop = "budget" only, and stop is'),
        ('extends = "minimal"\nstop = "budget"\nplateau = 25', "share of the budget"),
        (
            'extends = "minimal"\ncontext = "forget"',
            "context = 'forget' does not fit.*drop-tool-ou",
        ),
        ('extends = "minimal"\ncontext_tokens = 12', "context_tokens = 12 must be 0.*or 4000"),
        ('extends = "minimal"\ncontext_tokens = -1', "context_tokens = -1 must be 0"),
        (
            'extends = "minimal"\ncontext = "none"\ncontext_tokens = 9000',
            '9000 means something with context = "summary" or "drop-tool-output" only',
        ),
        ('extends = "minimal"\nattempts = 0', "attempts = 0 must be 1 to 1000"),
        ('extends = "minimal"\nattempts = 2000', "attempts = 2000 must be 1 to 1000"),
        ('extends = "minimal"\nfeedback_minutes = 5', 'feedback = "score-every" only'),
        ('extends = "minimal"\nfeedback = "score-every"', "needs feedback_minutes above 0"),
        ('extends = "minimal"\ndescription = " "', "description is empty"),
        ('extends = "minimal"\nprompt = "lyrical"', r"prompt 'lyrical'; there are .*lyrical\.md"),
        ('extends = "minimal"\nprompt = "../plain"', r"prompt '\.\./plain'"),
        ('extends = "minimal"\nloop = "terminal"', "must be .. with loop"),
        ('extends = "autolab"\ntime = "on-request"', "is a tool, and loop"),
        ('extends = "wrong"', "extends itself: wrong -> wrong"),
        ('extends = "nothing"', "no harness 'nothing', which 'wrong' extends"),
        ("extends = 3", "extends = 3 must be the name"),
        ('loop = "tools"', "prompt, feedback, time.* is missing.*extends"),
    ],
)
def test_a_mistake_is_answered_with_the_file_the_value_and_a_remedy(text: str, said: str) -> None:
    path = write("wrong", text)
    with pytest.raises(harnesses.HarnessError, match=said) as caught:
        harnesses.load("wrong")
    assert str(path) in str(caught.value) or "'wrong'" in str(caught.value) or "wrong ->" in said
    sound, broken = harnesses.everything()
    assert set(sound) == PRESETS
    assert [b.path for b in broken] == [path]


@pytest.mark.parametrize(
    "name", ["../minimal", "", "MINIMAL", "minimal.toml", "/etc/passwd", "x/y"]
)
def test_a_name_is_never_a_path(name: str) -> None:
    with pytest.raises(harnesses.HarnessError, match="there is no harness"):
        harnesses.load(name)


def test_a_prompt_with_a_slot_that_nobody_fills_in_is_refused() -> None:
    folder = config_dir() / "harnesses" / "prompts"
    folder.mkdir(parents=True)
    (folder / "timed.md").write_text("You have {budget}.")
    (folder / "latin.md").write_bytes(b"caf\xe9")
    (folder / "empty.md").write_text(" \n")
    for name, said in (("timed", r"has \{budget\}"), ("latin", "UTF-8"), ("empty", "is empty")):
        write("mine", f'extends = "minimal"\nprompt = "{name}"\n')
        with pytest.raises(harnesses.HarnessError, match=said):
            harnesses.load("mine")


def test_a_file_that_takes_a_presets_name_is_reported_and_changes_nothing() -> None:
    before = harnesses.load("minimal").hash
    path = write("minimal", 'extends = "scored"\n')
    assert harnesses.load("minimal").hash == before
    _, broken = harnesses.everything()
    assert [b.path for b in broken] == [path]
    assert "rename" in broken[0].error


def test_a_companion_of_a_knob_that_was_changed_is_dropped() -> None:
    write("often", 'extends = "minimal"\nfeedback = "score-every"\nfeedback_minutes = 5\n')
    write("quiet", 'extends = "often"\nfeedback = "sealed"\n')
    assert harnesses.load("often").feedback_minutes == 5
    assert harnesses.load("quiet").hash == harnesses.load("minimal").hash
    write("free", 'extends = "persistent"\nstop = "agent"\n')
    assert harnesses.load("free").plateau == 0
    write("early", 'extends = "minimal"\ncontext_tokens = 50000\n')
    write("never", 'extends = "early"\ncontext = "none"\n')
    assert harnesses.load("early").context_tokens == 50_000
    assert harnesses.load("never").context_tokens == 0


@given(
    feedback=st.sampled_from(get_args(Feedback)),
    time=st.sampled_from(get_args(Time)),
    stop=st.sampled_from(get_args(Stop)),
    reference=st.booleans(),
    context=st.sampled_from(get_args(Context)),
    tools=st.sets(st.sampled_from(get_args(Tool)), min_size=1).filter(
        lambda tools: tools & {"bash", "edit"}
    ),
)
def test_any_combination_of_the_knobs_is_a_harness(
    feedback: str, time: str, stop: str, reference: bool, context: str, tools: set[str]
) -> None:
    lines = [
        'extends = "minimal"',
        f'feedback = "{feedback}"',
        f'time = "{time}"',
        f'stop = "{stop}"',
        f'context = "{context}"',
        f"reference = {str(reference).lower()}",
        f"tools = {sorted(tools)!r}",
    ]
    lines += ["feedback_minutes = 3"] if feedback == "score-every" else []
    lines += ["plateau = 0.4"] if stop == "budget" else []
    lines += ["context_tokens = 90000"] if context != "none" else []
    write("any", "\n".join(lines))
    harness = harnesses.load("any")
    assert (harness.feedback, harness.time, harness.stop) == (feedback, time, stop)
    assert (harness.reference, set(harness.tools)) == (reference, tools)
    assert (harness.context, harness.context_tokens > 0) == (context, context != "none")


def test_the_documented_knobs_and_presets_are_all_there_are() -> None:
    doc = (Path(__file__).parents[3] / "docs" / "harnesses.md").read_text()
    table = doc.partition("## Knobs")[2].partition("\n**")[0]
    named = {name for row in table.splitlines() for name in row.split("|")[1:2]}
    assert {word.strip("` ") for cell in named for word in cell.split(",")} >= set(KNOBS)
    presets = doc.partition("## Presets")[2].partition("##")[0]
    assert all(f"| `{name}` |" in presets for name in PRESETS)
    first, second = (part.partition("```")[0] for part in doc.split("```toml\n")[1:])
    write("documented", first)
    assert harnesses.load("documented").feedback_minutes == 15
    write("outside", second)
    assert harnesses.load("outside").command[-4:-2] == ("-t", "{instruction}")
    slots = doc.partition("| slot |")[2].partition("\n\n")[0]
    assert all(f"`{{{slot}}}`" in slots for slot in COMMAND_SLOTS)
