"""Artifacts that are data and hostile: to a judge, to the grammar of flags, to whoever reads on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.redteam.catalogue import Attack, attacks
from tests.redteam.conftest import Place, Twin
from tests.redteam.expectation import above_its_twin, says, told, unprintable
from verifier.request import VerifyRequest
from verifier.sealed import verify

FLAGS_TASK = Path(__file__).parents[2] / "tasks" / "system_optimization" / "build_flags"


@pytest.mark.parametrize("attack", [pytest.param(one, id=one.name) for one in attacks("data")])
def test_no_data_earns_more_than_honest_work(attack: Attack, place: Place, twin: Twin) -> None:
    files = {"answer.txt": attack.content}
    verdict = verify(VerifyRequest(task=str(place("data")), files=files))
    assert not above_its_twin(verdict, twin("data")), told(verdict)
    assert says(attack.expect, verdict, twin("data")), told(verdict)
    assert not unprintable(verdict)
    assert verdict.seconds < 30


@pytest.mark.parametrize("attack", [pytest.param(one, id=one.name) for one in attacks("flags")])
def test_no_flag_reaches_beyond_the_list(attack: Attack, sandbox_backend: object) -> None:
    files = {"flags.txt": attack.content}
    verdict = verify(VerifyRequest(task=str(FLAGS_TASK), files=files))
    assert says(attack.expect, verdict, 0.0), told(verdict)
    assert not unprintable(verdict)
