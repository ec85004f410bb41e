"""One site for all stacks; each client runs once, and its report is judged step by step."""

from collections.abc import Callable, Iterator

import pytest

from tests.interop import site as sites
from tests.interop import stacks, table
from tests.interop.reports import Report
from tests.interop.site import Site
from tests.interop.stacks import Stack

CELLS = pytest.StashKey[table.Cells]()

Reported = Callable[[Stack, str], Report]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[CELLS] = table.Cells()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    cells = terminalreporter.config.stash.get(CELLS, None)
    if cells is not None and cells.found:
        terminalreporter.section("SOAP stacks")
        terminalreporter.write_line(cells.shown())


@pytest.fixture(scope="session")
def cells(pytestconfig: pytest.Config) -> table.Cells:
    """Where the tests note what came of each cell."""
    return pytestconfig.stash[CELLS]


@pytest.fixture(scope="session")
def site() -> Iterator[Site]:
    """The server that all clients call."""
    with sites.serving([run for stack in stacks.STACKS for run in stack.runs()]) as site:
        yield site


@pytest.fixture(scope="session")
def reported(site: Site) -> Reported:
    """What a client told; each is run once."""
    known: dict[str, Report | Exception] = {}

    def report(stack: Stack, version: str) -> Report:
        run = f"{stack.name}-{version}"
        if run not in known:
            try:
                known[run] = stacks.report(stack, version, site)
            except Exception as error:  # told by each of its cells
                known[run] = error
        found = known[run]
        if isinstance(found, Exception):
            raise found
        return found

    return report
