"""Real SOAP stacks against a real server: every cell of the table passes, or is a proved limit."""

import re

import pytest

from tests.interop import limits, stacks, table
from tests.interop.conftest import Reported
from tests.interop.site import Site
from tests.interop.stacks import STACKS, Stack
from tests.interop.steps import STEPS

RUNS = [(stack, version) for stack in STACKS for version in stack.versions]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("stack", "version"), RUNS, ids=[f"{stack.name}-{version}" for stack, version in RUNS]
)
def test_client(
    stack: Stack,
    version: str,
    step: str,
    reported: Reported,
    site: Site,
    cells: table.Cells,
) -> None:
    client = f"{stack.title} {version}"
    lacking = stack.lacking()
    if lacking is not None:
        cells.note(client, step, table.ABSENT)
        pytest.skip(lacking)
    cells.note(client, step, table.FAILED)
    report = reported(stack, version)
    failure = report.failure(step)
    limit = limits.of(stack.name, version, step)
    if limit is not None:
        assert failure is not None, f"it can do this now: strike the limit {limit.reason!r}"
        assert re.search(limit.proof, failure), failure
        cells.note(client, step, table.LIMIT, limit.reason)
        return
    assert failure is None, failure
    STEPS[step](report.steps[step], site, f"{stack.name}-{version}")
    cells.note(client, step, table.PASS)


def test_every_folder_is_a_stack_and_every_limit_is_of_one() -> None:
    folders = {path.parent.name for path in stacks.FOLDER.glob("*/run")}
    assert folders == {stack.name for stack in STACKS}
    for stack, step in limits.LIMITS:
        assert stack in folders
        assert step.rpartition(" ")[2] in STEPS
