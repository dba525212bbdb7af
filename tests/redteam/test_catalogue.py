"""The catalogue is whole, and docs/integrity.md tells of every attack."""

from __future__ import annotations

from pathlib import Path

from tests.redteam.catalogue import attacks

DOCS = Path(__file__).parents[2] / "docs" / "integrity.md"
# Cases shown elsewhere: 1 to 3 by `tasks check` and the twins here, 34 by tests of freezing and
# measuring.
ELSEWHERE = {1, 2, 3, 34}
CASES = set(range(1, 38))


def test_every_minimum_case_has_an_attack() -> None:
    assert {one.case for one in attacks()} | ELSEWHERE >= CASES


def test_the_document_lists_every_attack_in_its_row() -> None:
    lines = DOCS.read_text(encoding="utf-8").splitlines()
    rows = {line.split("|")[1].strip(): line for line in lines if line.startswith("| ")}
    missing = [a.name for a in attacks() if f"`{a.kind}/{a.name}`" not in rows[str(a.row)]]
    assert not missing


def test_every_attack_says_what_is_expected_of_it() -> None:
    words = {"honest", "nothing", "zero", "rejected", "not_judged", "suspect"}
    for attack in attacks():
        assert attack.why
        assert {one[0] for one in attack.expect} <= words
