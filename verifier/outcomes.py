"""How judging can end early, and what each cause means for the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from verifier.verdict import Cause, Finding, Status

# The one table from cause to status. A status of `zero` or `rejected` makes the reward 0,
# `not_judged` makes it unknown, and `suspect` leaves it standing until a person has looked.
STATUS: Mapping[Cause, Status] = MappingProxyType(
    {
        "gate": "zero",
        "build_failed": "zero",
        "wrong_output": "zero",
        "timeout": "zero",
        "crashed": "zero",
        "out_of_memory": "zero",
        "artifact_refused": "rejected",
        "contention": "not_judged",
        "verifier_error": "not_judged",
        "tampered": "suspect",
        "implausible": "suspect",
    }
)


class FailedError(Exception):
    """The candidate failed: the gate that stopped it, the cause, and the evidence in words."""

    def __init__(self, gate: str, cause: Cause, evidence: str) -> None:
        self.gate = gate
        self.cause = cause
        self.evidence = evidence
        super().__init__(f"{gate}: {evidence}")


class NotJudgedError(Exception):
    """Nothing can be said of the candidate: the machine, the task or the verifier is at fault."""

    def __init__(
        self, reason: str, cause: Cause = "verifier_error", findings: tuple[Finding, ...] = ()
    ) -> None:
        self.reason = reason
        self.cause = cause
        self.findings = findings
        super().__init__(reason)
