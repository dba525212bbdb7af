"""The published table as it is carried along."""

from __future__ import annotations

import pytest

from engine.analysis.published import published


def test_the_table_is_whole_and_consistent() -> None:
    table = published()
    assert "2606.05080" in table.source
    assert sum(table.tasks.values()) == 36
    assert len({row.model for row in table.rows}) == len(table.rows) == 17
    for row in table.rows:
        assert set(row.figures) == {"overall", *table.tasks}
        overall = row.figures["overall"]
        # the overall mean is the task-weighted mean of the domains, give or take rounding
        mean = sum(row.figures[d].avg * n for d, n in table.tasks.items()) / 36
        assert overall.avg == pytest.approx(mean, abs=0.011), row.model
        for scores in row.figures.values():
            assert 0.0 <= scores.avg <= scores.best <= 1.0
