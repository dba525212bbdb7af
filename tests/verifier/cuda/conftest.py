"""What a failure on a device asks of whoever sees it."""

from __future__ import annotations

from collections.abc import Generator

import pytest

NEXT = """\
1. `.venv/bin/autolab doctor` names driver, toolkit and PyCUDA, and what each task lacks.
2. docs/gpus.md, "On a machine with a GPU", has a row for each message and what to look at.
3. This test alone, with its figures: .venv/bin/python -m pytest -m gpu -s '{test}'
4. A stage that is not faster, or clocks that disagree: send the printed lines with the device's
   name; the slack between the clocks and the anchors of the tasks are estimates."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test of a device that fails says what to do next."""
    report = yield
    if report.failed and item.get_closest_marker("gpu") is not None:
        report.sections.append(("what to do next", NEXT.format(test=item.nodeid)))
    return report
