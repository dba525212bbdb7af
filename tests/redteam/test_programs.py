"""Programs that cheat, each against the real sandbox and verifier."""

from __future__ import annotations

import pytest

from tests.redteam.catalogue import Attack, attacks
from tests.redteam.conftest import Place, Twin
from tests.redteam.expectation import above_its_twin, says, told, unprintable
from tests.verifier.patience import patiently
from verifier.request import VerifyRequest

SOLVE = {"native": "solve.c", "python": "solve.py"}

_TRIES = 3


def parameters(kind: str) -> list[object]:
    marks = {True: [pytest.mark.slow], False: []}
    return [pytest.param(one, id=one.name, marks=marks[one.slow]) for one in attacks(kind)]


@pytest.mark.parametrize("attack", [*parameters("native"), *parameters("python")])
def test_no_program_earns_more_than_honest_work(attack: Attack, place: Place, twin: Twin) -> None:
    files = {SOLVE[attack.kind]: attack.content}
    earned = twin(attack.kind)
    for _ in range(_TRIES):
        verdict = patiently(VerifyRequest(task=str(place(attack.kind)), files=files))
        # Another's noise can spoil a measurement; a cheat that failed or was held is no noise.
        if verdict.status != "scored" or says(attack.expect, verdict, earned):
            break
    assert not above_its_twin(verdict, earned), told(verdict)
    assert says(attack.expect, verdict, earned), told(verdict)
    assert not unprintable(verdict)
    assert verdict.seconds < 60
