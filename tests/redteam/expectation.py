"""Whether a verdict is what its attack must get."""

from __future__ import annotations

from collections.abc import Sequence

from verifier.verdict import Verdict

NOISE = 0.08  # of reward: a factor of 1.45 in speed where ten times as fast earns a half


def says(expected: Sequence[Sequence[str]], verdict: Verdict, twin: float) -> bool:
    """Whether one of the alternatives fits; `twin` is the honest twin's reward."""
    return any(_fits(one, verdict, twin) for one in expected)


def _fits(expected: Sequence[str], verdict: Verdict, twin: float) -> bool:
    word, more = expected[0], expected[1:]
    status, reward = verdict.status, verdict.reward
    if word == "honest":
        allowed = ("scored", "suspect") if "held" in more else ("scored",)
        return status in allowed and reward is not None and 0.0 < reward <= twin + NOISE
    if word == "nothing":
        return status == "scored" and reward is not None and reward < NOISE
    if word == "zero":
        return status == "zero" and reward == 0.0 and verdict.cause in more
    if word == "rejected":
        return status == "rejected" and reward == 0.0 and verdict.cause == "artifact_refused"
    if word == "not_judged":
        return status == "not_judged" and reward is None
    if word == "suspect":
        return status == "suspect" and verdict.cause in ("tampered", "implausible")
    raise ValueError(f"no such expectation: {word}")


def above_its_twin(verdict: Verdict, twin: float) -> bool:
    """Whether it earned more than honest work, without being held for a person."""
    return verdict.status == "scored" and (verdict.reward or 0.0) > twin + NOISE


def unprintable(verdict: Verdict) -> str:
    """Text of the verdict that a terminal would obey; empty when there is none."""
    texts = [verdict.reason, *(finding.evidence for finding in verdict.findings)]
    texts += [text for gate in verdict.gates for text in (gate.name, gate.evidence)]
    bad = [text for text in texts if not text.isprintable() or len(text) > 4000]
    return repr(bad[0][:200]) if bad else ""


def told(verdict: Verdict) -> str:
    """The verdict in a line, for a failing test."""
    findings = "; ".join(f"{f.severity}: {f.what}: {f.evidence}" for f in verdict.findings)
    return f"{verdict.status} {verdict.cause} {verdict.reward}: {verdict.reason} [{findings}]"
