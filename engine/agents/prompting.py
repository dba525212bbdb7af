"""The system prompt: the harness's prompt variant, then one paragraph for each knob that the model
must know of. The variant's text speaks of no knob, so the two cannot contradict each other.
"""

from __future__ import annotations

from pathlib import Path

from engine import reference
from engine.agents.bench import Bench
from engine.harnesses import TIME_TOOL, Harness
from verifier.numerals import numeral
from verifier.scoring import scale_of

_SURE = "When you are sure that no further improvement is worth its time"


def system_prompt(bench: Bench) -> str:
    """The whole system prompt of a session."""
    harness = bench.harness
    editable = reference.editable(bench.task)
    text = harness.system.strip()
    for name, value in (("workdir", "/app"), ("editable", ", ".join(editable))):
        text = text.replace("{" + name + "}", value)
    parts = (
        text,
        _protocol(harness),
        _feedback(harness),
        _reference(bench),
        _time(bench),
        stopping_words(harness),
    )
    return "\n\n".join(part for part in parts if part) + "\n"


def _protocol(harness: Harness) -> str:
    """How a model that has no tools says what it wants."""
    if harness.loop != "terminal":
        return ""
    text = Path(__file__).with_name("terminal_protocol.md").read_text("utf-8").strip()
    text = text.replace("{usual}", f"{harness.command_timeout_sec:g}")
    return text.replace("{most}", f"{harness.command_timeout_max_sec:g}")


def _feedback(harness: Harness) -> str:
    judged = "While you work, the verifier judges states of your files from time to time."
    told = "You are told at your next turn"
    match harness.feedback:
        case "gates":
            return f"{judged} {told} whether such a state passed its checks, not how it scored."
        case "score":
            return f"{judged} {told} which reward such a state earned, from 0 to 1."
        case "score-every":
            minutes = f"{harness.feedback_minutes:g}"
            return (
                f"{judged} At most once in {minutes} minutes of your working time you are told "
                "which reward the newest such state earned, from 0 to 1."
            )
        case "sealed":
            return ""


def _reference(bench: Bench) -> str:
    if not bench.harness.reference or not bench.task.native:
        return ""  # what a foreign task says of its reference stands in its instruction
    scale = scale_of(bench.task, bench.size)
    optimization, table = bench.task.optimization, bench.task.autolab
    metric = optimization.metric if optimization is not None else ""
    unit = f" {table.unit}" if table is not None and table.unit else ""
    ratio = ""
    if scale.rule == "log":  # measured anew on every machine; these figures are the author's
        times = scale.speedup(scale.reference)
        ratio = f" What counts is the ratio to the untouched files: {times:.3g} for the reference."
    return (
        f"A reference solution exists. It brings {metric or 'the metric'} from "
        f"{numeral(scale.baseline, 6)}{unit} (your files untouched, reward 0) to "
        f"{numeral(scale.reference, 6)}{unit}, "
        f"which earns a reward of {scale.reference_reward:.2f}; {scale.direction} is better, and "
        f"1 is the highest reward.{ratio}"
    )


def _time(bench: Bench) -> str:
    counts = "The time counts while you think and while your commands run."
    match bench.harness.time:
        case "none":
            return ""
        case "start":
            return f"You have {bench.budget}. {counts} Use it."
        case "every-turn":
            told = "before your turns you are told what is left"
            return f"You have {bench.budget}. {counts} Use it; {told}."
        case "on-request":
            ask = f"call `{TIME_TOOL}` to learn what is left of it"
            return f"Your budget is limited; {ask}. {counts}"


def stopping_words(harness: Harness) -> str:
    """How the model ends the session, as its harness has it."""
    done = "call `submit`" if "submit" in harness.tools else "answer without calling a tool"
    if harness.loop == "command":
        return _ending_words(harness)
    if harness.loop == "terminal":
        done = "set `task_complete` to true"
    sure = _SURE
    match harness.stop:
        case "agent":
            return f"{sure}, {done}; this ends the session."
        case "confirm":
            return f"{sure}, {done}. You are asked once to confirm it; then the session ends."
        case "budget":
            end = "The session goes on until its budget is used"
            if harness.plateau == 0:
                return f"{end}; there is no way to end it earlier, so keep improving."
            return (
                f"{end}, or until the verifier has found no improvement for a long part of it. "
                f"Until then a wish to stop ({done[0].lower()}{done[1:]}) sends you back to work."
            )


def _ending_words(harness: Harness) -> str:
    """The same for an agent of somebody else's, which ends the session by ending itself."""
    match harness.stop:
        case "agent":
            return f"{_SURE}, finish; this ends the session."
        case "confirm":
            return (
                f"{_SURE}, finish. You are then started once more to confirm it, and remember "
                "nothing but what your files say; when you finish again, the session ends."
            )
        case "budget":
            until = "its budget is used"
            if harness.plateau > 0:
                until += ", or the verifier has found no improvement for a long part of it"
            return (
                f"The session goes on until {until}: when you finish before that, you are started "
                "again, and remember nothing but what your files say. So leave notes in them."
            )
