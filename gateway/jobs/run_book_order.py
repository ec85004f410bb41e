"""What an order of a run book must have: somebody to run on for every job, a time."""

import contextlib
from collections.abc import Sequence

from gateway import names
from gateway.catalog.run_books import RunBookJob
from gateway.catalog.sealing import SealedRunBook
from gateway.catalog.trees import Tree
from gateway.fleet import targets
from gateway.fleet.roster import Agent
from gateway.fleet.teams import Team
from gateway.jobs import values
from gateway.jobs.orders import Boot, GivenParameters, OrderRefused, Timing, WhoKind
from gateway.jobs.run_book_who import KINDS, parts
from gateway.jobs.values import Holder
from storage.session import Session


def check(
    session: Session,
    what: Sequence[Tree],
    timing: Timing,
    asked: bool,
    holders: Sequence[Holder],
    given: Sequence[GivenParameters],
) -> None:
    """Refuse an order of which a part names no agent. Raises OrderRefused.

    ``asked`` says that the order names agents or teams: they are for every job without its own.
    """
    if any(tree.run_book is not None for tree in what):
        _check_boot(timing, asked)
    for index, tree in enumerate(what):
        if tree.run_book is None:
            if not asked:
                raise OrderRefused("Who", "name at least one agent or team to run on")
            continue
        _Check(session, index, _top(tree, holders), given).check(tree, asked)


def agents(
    session: Session,
    what: Sequence[Tree],
    holders: Sequence[Holder],
    given: Sequence[GivenParameters],
) -> list[Agent]:
    """The agents that the jobs of run books name themselves or by the who parameter, by now.

    Whom nobody can find is left out: the check of the order, or the job's turn, says so.
    """
    found: list[Agent | Team] = []
    for tree in what:
        if tree.run_book is not None:
            found += _named_in(session, tree)
            text = values.text(given, _top(tree, holders), tree.run_book.who_parameter)
            found += _found(session, [(WhoKind.AGENT, part) for part in parts(text)])
    return targets.agents_of(session, found)


def _top(tree: Tree, holders: Sequence[Holder]) -> Holder:
    return next(one for one in holders if one.guid == tree.summary.guid and one.step is None)


def _named_in(session: Session, tree: Tree) -> list[Agent | Team]:
    found: list[Agent | Team] = []
    for step in tree.steps:
        if step.job.enabled:
            found += _found(session, [(KINDS[one.kind], one.reference) for one in step.job.who])
            for inner in step.what:
                found += _named_in(session, inner)
    return found


def _found(session: Session, references: Sequence[tuple[WhoKind, str]]) -> list[Agent | Team]:
    found = []
    for kind, reference in references:
        with contextlib.suppress(targets.TargetNotFound):
            found.append(targets.resolve(session, kind, reference))
    return found


def _check_boot(timing: Timing, asked: bool) -> None:
    if timing.boot is Boot.NEXT:
        raise OrderRefused(
            "When.AfterBoot",
            "a run book cannot wait for the next start of its agents' machines: give it a time, or "
            "OfflineAtNextBoot",
        )
    if timing.boot is Boot.EVERY and not asked:
        raise OrderRefused("Who", "name the agents or teams after whose starts the run book begins")


class _Check:
    """The check of one run book of an order."""

    def __init__(
        self, session: Session, index: int, holder: Holder, given: Sequence[GivenParameters]
    ) -> None:
        self._session = session
        self._path = f"What[{index}].ID"
        self._holder = holder
        self._given = given

    def check(self, tree: Tree, asked: bool, *, top: bool = True) -> None:
        """Look at the enabled jobs of a run book and of those within it."""
        book = tree.run_book
        if book is None:
            return
        for step in tree.steps:
            if not step.job.enabled:
                continue
            self._check_own(step.job)
            named = asked or bool(step.job.who) or self._names_who(book, step.job, top)
            for inner in step.what:
                if inner.run_book is not None:
                    self.check(inner, named, top=False)
                elif not named:
                    raise OrderRefused(
                        "Who",
                        f"the job {step.job.name!r} of the run book {tree.summary.name!r} names no "
                        "agent: name the agents or teams for it",
                    )

    def _check_own(self, job: RunBookJob) -> None:
        for who in job.who:
            try:
                targets.resolve(self._session, KINDS[who.kind], who.reference)
            except targets.TargetNotFound as error:
                raise OrderRefused(
                    self._path, f"in the job {job.name!r} of the run book: {error}"
                ) from error

    def _names_who(self, book: SealedRunBook, job: RunBookJob, top: bool) -> bool:
        """Whether the who parameter has a value for the job, or may be given one by then."""
        if not job.use_run_book_who:
            return False
        key = names.key(book.who_parameter)
        brought = any(
            link.action.gets and names.key(link.parameter) == key
            for other in book.jobs
            for link in other.links
        )
        # What a run book within a run book is given is known when its turn comes.
        if brought or not top:
            return True
        return bool(values.text(self._given, self._holder, book.who_parameter).strip())
