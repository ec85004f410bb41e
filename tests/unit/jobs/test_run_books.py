"""Run books at work, on both databases: turns, values, conditions, aborts, crashes in between."""

import dataclasses
import threading
import uuid
from collections.abc import Sequence

import pytest

from gateway.agents.desk import AgentSession
from gateway.agents.protocol import FinalValue
from gateway.catalog.catalog import DefinitionKind
from gateway.catalog.definitions import (
    Condition,
    Effect,
    Evaluator,
    Evidence,
    Module,
    OnFailure,
    Operator,
    Parameter,
    ParameterType,
    Subject,
    Task,
    Verdict,
)
from gateway.catalog.projects import Project, ProjectModule
from gateway.catalog.run_books import (
    LinkAction,
    ParameterLink,
    RunBook,
    RunBookJob,
    RunBookWhat,
    RunBookWho,
    WhatKind,
    WhoReferenceKind,
)
from gateway.fleet.teams import TeamContent, Teams
from gateway.identity.principals import MACHINE
from gateway.jobs import run_books
from gateway.jobs.orders import (
    GivenParameters,
    GivenValue,
    JobOrder,
    OrderRefused,
    Origin,
    What,
    Who,
    WhoKind,
)
from gateway.jobs.service import JobFilter
from gateway.jobs.states import JobStatus
from gateway.jobs.views import JobView
from storage import models
from storage.session import Session
from tests.engine import HOUR, LAUNCH_TIMEOUT, Engine

DONE = JobStatus.COMPLETED


def module_job(module: uuid.UUID, name: str = "job", **members: object) -> RunBookJob:
    return RunBookJob(guid=uuid.uuid4(), name=name, what=(RunBookWhat(guid=module),), **members)  # type: ignore[arg-type]


def run_book(engine: Engine, *jobs: RunBookJob, parameters: Sequence[Parameter] = ()) -> uuid.UUID:
    book = RunBook(
        guid=uuid.uuid4(), name=f"Run book {uuid.uuid4()}", jobs=jobs, parameters=tuple(parameters)
    )
    engine.catalog.save(book, MACHINE)
    return book.guid


def schedule(
    engine: Engine, book: uuid.UUID, *who: AgentSession, given: Sequence[GivenParameters] = ()
) -> JobView:
    job = engine.accept(
        JobOrder(
            what=(What(book, DefinitionKind.RUN_BOOK),),
            who=tuple(Who(str(agent.agent)) for agent in who),
            parameters=tuple(given),
        )
    )
    engine.clock.tick()
    return engine.jobs.get(job.guid)


def statuses(engine: Engine, job: JobView) -> list[JobStatus]:
    return [child.status for child in engine.jobs.children(job.guid)]


def status(engine: Engine, job: JobView) -> JobStatus:
    return engine.jobs.get(job.guid).status


def work(engine: Engine, agent: AgentSession, end: JobStatus = DONE) -> list[dict[str, str]]:
    """Have an agent do all that waits for it, once; answers the values each run was given."""
    seen = []
    for order in engine.reception.claim(agent, 10):
        seen.append({value.name: value.value for value in order.parameters})
        engine.finish(agent, order, end)
    engine.clock.tick()
    return seen


def test_jobs_are_begun_in_turn_and_shown_from_the_start(engine: Engine) -> None:
    agent = engine.agent()
    first, second = engine.module(), engine.module()
    job = schedule(
        engine,
        run_book(engine, module_job(first, "one"), module_job(second, "two")),
        agent,
    )
    assert job.status is JobStatus.ACTIVE
    children = engine.jobs.children(job.guid)
    assert [child.description for child in children] == ["one", "two"]
    assert {child.origin for child in children} == {Origin.RUN_BOOK}
    assert statuses(engine, job) == [JobStatus.SCHEDULED] * 2
    assert len(engine.reception.claim(agent, 10)) == 1
    assert engine.reception.claim(agent, 10) == []


def test_a_run_book_ends_with_its_last_job(engine: Engine) -> None:
    agent = engine.agent()
    book = run_book(engine, *(module_job(engine.module()) for _ in range(3)))
    job = schedule(engine, book, agent)
    for _ in range(3):
        assert status(engine, job) is JobStatus.ACTIVE
        assert len(work(engine, agent)) == 1
    assert status(engine, job) is DONE
    assert statuses(engine, job) == [DONE] * 3
    page = engine.jobs.page(JobFilter(run_book_jobs=False), 1, 10)
    assert (page.total, [one.guid for one in page.jobs]) == (1, [job.guid])
    assert engine.jobs.page(JobFilter(), 1, 10).total == 4


def test_a_clock_that_is_put_back_holds_up_no_run_book(engine: Engine) -> None:
    """Whatever is to be done at once is due by any clock."""
    agent = engine.agent()
    book = run_book(engine, *(module_job(engine.module()) for _ in range(2)))
    engine.now.advance(HOUR)
    job = schedule(engine, book, agent)
    (order,) = engine.reception.claim(agent, 10)
    engine.finish(agent, order)
    engine.now.advance(-HOUR)
    engine.clock.tick()
    # One that was accepted an hour ahead of the present.
    engine.now.advance(HOUR)
    other = engine.accept(
        JobOrder(what=(What(book, DefinitionKind.RUN_BOOK),), who=(Who(str(agent.agent)),))
    )
    engine.now.advance(-HOUR)
    engine.clock.tick()
    assert len(work(engine, agent)) == 2
    while work(engine, agent):
        pass
    assert status(engine, job) is status(engine, other) is DONE


def test_jobs_side_by_side_run_on_their_own_agents(engine: Engine) -> None:
    agents = [engine.agent(name) for name in ("one", "two", "three")]
    module = engine.module()
    book = run_book(
        engine,
        module_job(module, who=(RunBookWho(reference="one"),)),
        module_job(module, who=(RunBookWho(reference=str(agents[1].agent)),), parallel=True),
        module_job(module, who=(RunBookWho(reference="three"),)),
    )
    job = schedule(engine, book)
    assert len(engine.reception.claim(agents[2], 5)) == 0
    assert len(work(engine, agents[0])) == 1
    assert len(work(engine, agents[2])) == 0
    assert len(work(engine, agents[1])) == 1
    assert len(work(engine, agents[2])) == 1
    assert status(engine, job) is DONE


@pytest.mark.parametrize(
    ("rule", "ends"),
    [
        (OnFailure.STOP, (JobStatus.FAILED_HALTED, [JobStatus.FAILED, JobStatus.SKIPPED])),
        (OnFailure.CONTINUE, (JobStatus.COMPLETED_WITH_ERRORS, [JobStatus.FAILED, DONE])),
    ],
)
def test_a_failed_job_stops_the_run_book_or_not(
    engine: Engine, rule: OnFailure, ends: tuple[JobStatus, list[JobStatus]]
) -> None:
    agent = engine.agent()
    module = engine.module()
    book = run_book(engine, module_job(module, on_failure=rule), module_job(module))
    job = schedule(engine, book, agent)
    work(engine, agent, JobStatus.FAILED)
    work(engine, agent)
    assert (status(engine, job), statuses(engine, job)) == ends


def test_values_go_down_and_come_back(engine: Engine) -> None:
    agent = engine.agent()
    make = engine.module(parameters=(Parameter(name="In"), Parameter(name="Out", default="?")))
    use = engine.module(parameters=(Parameter(name="Name", default="nobody"),))
    book = run_book(
        engine,
        module_job(
            make,
            links=(
                ParameterLink(parameter="Seed", target="in", action=LinkAction.SET),
                ParameterLink(
                    parameter="Result", target="OUT", definition=make, action=LinkAction.GET
                ),
            ),
        ),
        module_job(use, links=(ParameterLink(parameter="result", target="Name"),)),
        parameters=(Parameter(name="Seed"), Parameter(name="Result", default="none")),
    )
    given = GivenParameters(book, (GivenValue("Seed", "4711"),))
    job = schedule(engine, book, agent, given=[given])
    (order,) = engine.reception.claim(agent, 1)
    assert {value.name: value.value for value in order.parameters} == {"In": "4711", "Out": "?"}
    engine.finish(agent, order, values=left(make, Out="vm-4711"))
    engine.clock.tick()
    assert work(engine, agent) == [{"Name": "vm-4711"}]
    assert status(engine, job) is DONE


def test_a_secret_goes_down_sealed(engine: Engine) -> None:
    agent = engine.agent()
    module = engine.module(parameters=(Parameter(name="Key", type=ParameterType.PASSWORD),))
    book = run_book(
        engine,
        module_job(module, links=(ParameterLink(parameter="Word", target="Key"),)),
        module_job(module, links=(ParameterLink(parameter="Other", target="Key"),)),
        parameters=(
            Parameter(name="Word", type=ParameterType.PASSWORD),
            Parameter(name="Other", type=ParameterType.PASSWORD, default="by default"),
        ),
    )
    given = GivenParameters(book, (GivenValue("Word", "open sesame"),))
    job = schedule(engine, book, agent, given=[given])
    assert work(engine, agent) == [{"Key": "open sesame"}]
    assert work(engine, agent) == [{"Key": "by default"}]
    assert status(engine, job) is DONE
    with engine.store.reading() as session:
        stored = str(session.rows(models.JobRequest.select()))
        stored += str(session.rows(models.JobOutput.select()))
    assert "sesame" not in stored
    assert "by default" not in stored


def test_three_levels_with_values_both_ways(engine: Engine) -> None:
    agent = engine.agent()
    leaf = engine.module(parameters=(Parameter(name="X", default="0"),))
    project = Project(
        guid=uuid.uuid4(), name="Project", modules=(ProjectModule(guid=uuid.uuid4(), module=leaf),)
    )
    engine.catalog.save(project, MACHINE)
    both = ParameterLink(parameter="Value", target="X", action=LinkAction.BOTH)
    inner = run_book(
        engine,
        RunBookJob(
            guid=uuid.uuid4(),
            name="inner job",
            what=(RunBookWhat(kind=WhatKind.PROJECT, guid=project.guid),),
            links=(both,),
        ),
        parameters=(Parameter(name="Value"),),
    )
    outer = run_book(
        engine,
        RunBookJob(
            guid=uuid.uuid4(),
            name="outer job",
            what=(RunBookWhat(kind=WhatKind.RUN_BOOK, guid=inner),),
            links=(
                ParameterLink(
                    parameter="Top", target="Value", definition=inner, action=LinkAction.BOTH
                ),
            ),
        ),
        module_job(leaf, links=(ParameterLink(parameter="Top", target="X"),)),
        parameters=(Parameter(name="Top", default="1"),),
    )
    job = schedule(engine, outer, agent)
    (order,) = engine.reception.claim(agent, 1)
    assert [value.value for value in order.parameters] == ["1"]
    engine.finish(agent, order, values=left(leaf, X="2"))
    engine.clock.tick()
    assert work(engine, agent) == [{"X": "2"}]
    assert status(engine, job) is DONE
    (nested, _) = engine.jobs.children(job.guid)
    assert nested.status is DONE
    assert [one.status for one in engine.jobs.children(nested.guid)] == [DONE]


def test_conditions_skip_or_fail_a_job(engine: Engine) -> None:
    agent = engine.agent()
    module = engine.module()

    def when(value: str, effect: Effect) -> Condition:
        return Condition(
            subject=Subject.PARAMETER,
            name="Mode",
            operator=Operator.EQUALS,
            value=value,
            effect=effect,
        )

    after_skip = Condition(
        subject=Subject.PREVIOUS_STATUS, operator=Operator.EQUALS, value="Skipped"
    )
    book = run_book(
        engine,
        module_job(module, conditions=(when("quick", Effect.SKIP),)),
        module_job(module, conditions=(after_skip,)),
        module_job(module, conditions=(when("slow", Effect.EXECUTE),)),
        module_job(module, conditions=(when("quick", Effect.FAIL),), on_failure=OnFailure.CONTINUE),
        module_job(module, conditions=(when("slow", Effect.SKIP),)),
        parameters=(Parameter(name="Mode", default="quick"),),
    )
    job = schedule(engine, book, agent)
    work(engine, agent)
    skipped = JobStatus.SKIPPED
    assert statuses(engine, job) == [skipped, skipped, skipped, JobStatus.FAILED, DONE]
    assert status(engine, job) is JobStatus.COMPLETED_WITH_ERRORS
    assert engine.jobs.children(job.guid)[3].reason == "a condition on its parameter 'Mode' is met"


def test_conditions_and_evaluators_on_a_run_book_within_a_run_book(engine: Engine) -> None:
    """What only agents can judge holds for each of its jobs; its end is evaluated as theirs is."""
    agent = engine.agent()
    module = engine.module(parameters=(Parameter(name="X", default="0"),))
    get = ParameterLink(parameter="V", target="X", action=LinkAction.GET)
    inner = run_book(engine, module_job(module, links=(get,)), parameters=(Parameter(name="V"),))

    def nested(**members: object) -> RunBookJob:
        link = ParameterLink(parameter="Top", target="V", action=LinkAction.GET)
        return RunBookJob(
            guid=uuid.uuid4(),
            name="nested",
            what=(RunBookWhat(kind=WhatKind.RUN_BOOK, guid=inner),),
            links=(link,),
            on_failure=OnFailure.CONTINUE,
            **members,  # type: ignore[arg-type]
        )

    bad = Evaluator(
        subject=Evidence.PARAMETER,
        name="Top",
        operator=Operator.EQUALS,
        value="bad",
        verdict=Verdict.FAILED,
    )
    platform = Condition(subject=Subject.PLATFORM, operator=Operator.MATCHES, value=".*")
    ended = Evaluator(
        subject=Evidence.STATUS,
        operator=Operator.EQUALS,
        value="completed",
        verdict=Verdict.COMPLETED_WITH_ERRORS,
    )
    book = run_book(
        engine,
        nested(evaluators=(bad,)),
        nested(evaluators=(ended,)),
        nested(conditions=(platform,)),
        parameters=(Parameter(name="Top"),),
    )
    job = schedule(engine, book, agent)
    for value in ("bad", "good"):
        (order,) = engine.reception.claim(agent, 5)
        engine.finish(agent, order, values=left(module, X=value))
        engine.clock.tick()
    (order,) = engine.reception.claim(agent, 5)
    assert order.conditions == (platform,)
    engine.finish(agent, order, JobStatus.SKIPPED)
    engine.clock.tick()
    assert statuses(engine, job) == [
        JobStatus.FAILED,
        JobStatus.COMPLETED_WITH_ERRORS,
        JobStatus.SKIPPED,
    ]


def test_an_aborted_run_book_begins_nothing_more(engine: Engine) -> None:
    agent = engine.agent()
    module = engine.module()
    job = schedule(engine, run_book(engine, *(module_job(module) for _ in range(3))), agent)
    (order,) = engine.reception.claim(agent, 1)
    view = engine.jobs.abort(job.guid, MACHINE)
    assert view.status is JobStatus.ABORTING
    aborted = JobStatus.ABORTED
    assert statuses(engine, job) == [JobStatus.ABORTING, aborted, aborted]
    engine.finish(agent, order, aborted)
    engine.clock.tick()
    assert (status(engine, job), statuses(engine, job)) == (aborted, [aborted] * 3)
    assert engine.reception.claim(agent, 1) == []


def test_a_job_on_hold_within_a_run_book_waits_for_its_turn_too(engine: Engine) -> None:
    agent = engine.agent()
    module = engine.module()
    job = schedule(engine, run_book(engine, module_job(module), module_job(module)), agent)
    _, second = engine.jobs.children(job.guid)
    engine.jobs.hold(second.guid, MACHINE)
    engine.jobs.resume(second.guid, MACHINE)
    engine.clock.tick()
    assert len(engine.reception.claim(agent, 5)) == 1, "resumed before its turn, it still waits"
    engine.jobs.hold(second.guid, MACHINE)
    held = engine.jobs.children(job.guid)[0]
    engine.jobs.abort(held.guid, MACHINE)
    assert status(engine, job) is JobStatus.ACTIVE


def test_a_launch_timeout_within_a_run_book_counts_from_the_turn(engine: Engine) -> None:
    agent = engine.agent()
    module = engine.module()
    job = schedule(engine, run_book(engine, module_job(module), module_job(module)), agent)
    engine.now.advance(LAUNCH_TIMEOUT - 1)
    engine.clock.tick()
    work(engine, agent)
    engine.now.advance(LAUNCH_TIMEOUT - 1)
    engine.clock.tick()
    assert statuses(engine, job) == [DONE, JobStatus.SCHEDULED]
    engine.now.advance(2)
    engine.clock.tick()
    assert statuses(engine, job) == [DONE, JobStatus.CANCELED]
    assert status(engine, job) is JobStatus.FAILED_HALTED


def test_a_run_book_needs_somebody_for_every_job(engine: Engine) -> None:
    engine.agent("known")
    module = engine.module()
    with pytest.raises(OrderRefused, match="names no agent"):
        schedule(engine, run_book(engine, module_job(module, "lonely")))
    unknown = module_job(module, who=(RunBookWho(reference="unknown"),))
    with pytest.raises(OrderRefused, match="no agent with the GUID or name 'unknown'"):
        schedule(engine, run_book(engine, unknown))


def test_the_who_parameter_names_the_agents(engine: Engine) -> None:
    first, second = engine.agent("first"), engine.agent("second")
    book = run_book(
        engine,
        module_job(engine.module(), use_run_book_who=True),
        parameters=(Parameter(name="RunBookWho"),),
    )
    with pytest.raises(OrderRefused, match="names no agent"):
        schedule(engine, book)
    given = GivenParameters(book, (GivenValue("RunBookWho", f"FIRST; {second.agent}"),))
    job = schedule(engine, book, given=[given])
    work(engine, first)
    work(engine, second)
    assert status(engine, job) is DONE


def test_somebody_who_is_gone_when_the_turn_comes_fails_that_job(engine: Engine) -> None:
    agent = engine.agent()
    given_name = GivenParameters(None, (GivenValue("RunBookWho", "gone"),))
    book = run_book(
        engine,
        module_job(engine.module(), use_run_book_who=True),
        parameters=(Parameter(name="RunBookWho"),),
    )
    job = schedule(engine, book, agent, given=[given_name])
    assert statuses(engine, job) == [JobStatus.FAILED]
    assert "no agent with the GUID or name 'gone'" in engine.jobs.children(job.guid)[0].reason
    assert status(engine, job) is JobStatus.FAILED_HALTED


def test_a_team_is_asked_for_its_agents_when_the_job_starts(engine: Engine) -> None:
    engine.agent("one")
    teams = Teams(engine.store, engine.now)
    team = teams.create(TeamContent.of(name="All"), MACHINE)
    module = engine.module()
    order = JobOrder(what=(What(module),), who=(Who("all", WhoKind.TEAM),))
    assert status(engine, tick(engine, order)) is JobStatus.FAILED
    member(engine, team.id, "one")
    job = tick(engine, order)
    assert [run.agent for run in engine.jobs.runs(job.guid)] == ["one"]
    assert [(who.name, who.kind) for who in job.who] == [("All", WhoKind.TEAM)]
    book = run_book(
        engine,
        module_job(module, who=(RunBookWho(kind=WhoReferenceKind.TEAM, reference="All"),)),
    )
    (child,) = engine.jobs.children(schedule(engine, book).guid)
    assert [run.agent for run in engine.jobs.runs(child.guid)] == ["one"]


def test_several_definitions_with_a_run_book_among_them(engine: Engine) -> None:
    agent = engine.agent()
    module, book = engine.module(), run_book(engine, module_job(engine.module()))
    order = JobOrder(
        what=(What(module), What(book, DefinitionKind.RUN_BOOK)), who=(Who(str(agent.agent)),)
    )
    job = engine.accept(order)
    engine.clock.tick()
    work(engine, agent)
    work(engine, agent)
    assert (status(engine, job), statuses(engine, job)) == (DONE, [DONE, DONE])


def test_again_runs_the_same_jobs_anew(engine: Engine) -> None:
    agent = engine.agent()
    job = schedule(engine, run_book(engine, module_job(engine.module())), agent)
    work(engine, agent)
    again = engine.jobs.rerun(job.guid, MACHINE)
    work(engine, agent)
    assert (status(engine, again), statuses(engine, again)) == (DONE, [DONE])
    (child,) = engine.jobs.children(job.guid)
    alone = engine.jobs.rerun(child.guid, MACHINE)
    work(engine, agent)
    assert (alone.origin, status(engine, alone)) == (Origin.USER, DONE)


def test_values_given_for_one_job_count_for_that_job(engine: Engine) -> None:
    agent = engine.agent()
    module = engine.module(parameters=(Parameter(name="P", default="d"),))
    one, two = module_job(module), module_job(module)
    book = run_book(engine, one, two)
    given = GivenParameters(module, (GivenValue("P", "only two"),), two.guid)
    schedule(engine, book, agent, given=[given])
    assert work(engine, agent) == [{"P": "d"}]
    assert work(engine, agent) == [{"P": "only two"}]
    stray = GivenParameters(module, (GivenValue("P", "x"),), uuid.uuid4())
    with pytest.raises(OrderRefused, match="JobGuid: names no job"):
        schedule(engine, book, agent, given=[stray])


def test_what_was_given_is_shown_as_it_counts(engine: Engine) -> None:
    """A linked parameter only where it was given; a module's own value before its project's."""
    agent = engine.agent()
    use = Task(
        guid=uuid.uuid4(), name="use", type="command", settings={"argv": ["echo", "$[P]", "$[Q]"]}
    )
    module = Module(
        guid=uuid.uuid4(),
        name="Module",
        parameters=(Parameter(name="P"), Parameter(name="Q")),
        tasks=(use,),
    )
    engine.catalog.save(module, MACHINE)
    project = Project(
        guid=uuid.uuid4(),
        name="Project",
        modules=(ProjectModule(guid=uuid.uuid4(), module=module.guid),),
    )
    engine.catalog.save(project, MACHINE)
    step = RunBookJob(
        guid=uuid.uuid4(),
        name="job",
        what=(RunBookWhat(kind=WhatKind.PROJECT, guid=project.guid),),
        links=(ParameterLink(parameter="V", target="P"),),
    )
    book = run_book(engine, step, parameters=(Parameter(name="V", default="v"),))

    def shown(*given: GivenParameters) -> dict[str, str | None]:
        job = schedule(engine, book, agent, given=given)
        of_step = engine.jobs.values(job)[-1]
        return {
            one.name: of_step.given[one.name].value if one.name in of_step.given else None
            for one in of_step.parameters
        }

    assert shown() == {"Q": None}
    assert shown(
        GivenParameters(project.guid, (GivenValue("P", "own"), GivenValue("Q", "p")), step.guid),
        GivenParameters(module.guid, (GivenValue("Q", "m"),), step.guid),
    ) == {"P": "own", "Q": "m"}


def test_a_large_run_book_that_was_read_can_be_ordered_again(engine: Engine) -> None:
    agent = engine.agent()
    module = engine.module(parameters=(Parameter(name="P", default="d"),))
    jobs = tuple(module_job(module, f"job {number}") for number in range(200))
    book = run_book(engine, *jobs)
    given = [GivenParameters(module, (GivenValue("P", "x"),), job.guid) for job in jobs]
    given.append(GivenParameters(book, ()))
    order = JobOrder(
        what=(What(book, DefinitionKind.RUN_BOOK),),
        who=(Who(str(agent.agent)),),
        parameters=tuple(given),
    )
    assert engine.accept(order).status is JobStatus.SCHEDULED
    with pytest.raises(OrderRefused, match="holds more than 402 sets"):
        engine.accept(dataclasses.replace(order, parameters=tuple(given * 3)))


def test_a_job_on_hold_is_skipped_when_one_before_it_fails(engine: Engine) -> None:
    agent = engine.agent()
    module = engine.module()
    job = schedule(engine, run_book(engine, module_job(module), module_job(module)), agent)
    engine.jobs.hold(engine.jobs.children(job.guid)[1].guid, MACHINE)
    work(engine, agent, JobStatus.FAILED)
    assert statuses(engine, job) == [JobStatus.FAILED, JobStatus.SKIPPED]
    assert status(engine, job) is JobStatus.FAILED_HALTED


def test_a_job_that_ends_while_the_clock_looks_at_it_is_taken_note_of(engine: Engine) -> None:
    """Its launch timeout has come, and just then its agent reports the end."""
    agent = engine.agent()
    module = engine.module()
    schedule(engine, run_book(engine, module_job(module), module_job(module)), agent)
    (order,) = engine.reception.claim(agent, 10)
    engine.now.advance(LAUNCH_TIMEOUT)
    dealing = [engine.clock._dealing(due) for due in engine.clock._due()]
    assert len(dealing) == 1
    engine.finish(agent, order)
    engine.store.unit_of_work(dealing[0])
    engine.clock.tick()
    assert len(engine.reception.claim(agent, 10)) == 1


def test_an_abort_finds_jobs_that_are_just_begun(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock begins a run book within a run book after the abort has looked, before it locks."""
    agent = engine.agent()
    module = engine.module()

    def nested(book: uuid.UUID) -> RunBookJob:
        what = (RunBookWhat(kind=WhatKind.RUN_BOOK, guid=book),)
        return RunBookJob(guid=uuid.uuid4(), name="nested", what=what)

    innermost = run_book(engine, module_job(module), module_job(module))
    inner = run_book(engine, module_job(module, "before"), nested(innermost))
    job = schedule(engine, run_book(engine, nested(inner)), agent)
    (order,) = engine.reception.claim(agent, 10)
    engine.finish(agent, order)
    looked = run_books._below

    def looked_before(session: Session, job_id: int) -> set[int]:
        monkeypatch.setattr(run_books, "_below", looked)
        found = looked(session, job_id)
        if session.postgres:
            # On SQLite there is one writer: nobody comes in between.
            ticking = threading.Thread(target=engine.clock.tick)
            ticking.start()
            ticking.join()
        return found

    monkeypatch.setattr(run_books, "_below", looked_before)
    engine.jobs.abort(job.guid, MACHINE)
    engine.clock.tick()
    assert engine.reception.claim(agent, 10) == []
    engine.clock.tick()
    assert status(engine, job) is JobStatus.ABORTED


def test_what_is_linked_to_a_run_book_within_is_not_for_its_modules(engine: Engine) -> None:
    agent = engine.agent()
    module = engine.module(parameters=(Parameter(name="P", default="own"),))
    secret = Parameter(name="P", type=ParameterType.PASSWORD)
    inner = run_book(engine, module_job(module), parameters=(secret,))
    outer = run_book(
        engine,
        RunBookJob(
            guid=uuid.uuid4(),
            name="nested",
            what=(RunBookWhat(kind=WhatKind.RUN_BOOK, guid=inner),),
            links=(ParameterLink(parameter="S", target="P"),),
        ),
        parameters=(Parameter(name="S", type=ParameterType.PASSWORD, default="hunter2"),),
    )
    schedule(engine, outer, agent)
    assert work(engine, agent) == [{"P": "own"}]


def test_a_secret_stays_one_when_its_parameter_is_a_text_since(engine: Engine) -> None:
    agent = engine.agent()
    guid = uuid.uuid4()

    def store(kind: ParameterType) -> None:
        engine.catalog.save(
            Module(guid=guid, name="Module", parameters=(Parameter(name="P", type=kind),)), MACHINE
        )

    store(ParameterType.PASSWORD)
    book = run_book(
        engine,
        module_job(guid, links=(ParameterLink(parameter="S", target="P"),)),
        parameters=(Parameter(name="S", type=ParameterType.PASSWORD, default="hunter2"),),
    )
    store(ParameterType.TEXT)
    schedule(engine, book, agent)
    (order,) = engine.reception.claim(agent, 1)
    assert [(value.value, value.secret) for value in order.parameters] == [("hunter2", True)]


def test_a_name_that_is_a_secret_for_one_module_is_sealed_for_all(engine: Engine) -> None:
    agent = engine.agent()
    kinds = (ParameterType.PASSWORD, ParameterType.TEXT)
    modules = [engine.module(parameters=(Parameter(name="P", type=kind),)) for kind in kinds]
    project = Project(
        guid=uuid.uuid4(),
        name="Project",
        modules=tuple(ProjectModule(guid=uuid.uuid4(), module=module) for module in modules),
    )
    engine.catalog.save(project, MACHINE)
    for definition in (project.guid, None):
        order = JobOrder(
            what=(What(project.guid, DefinitionKind.PROJECT),),
            who=(Who(str(agent.agent)),),
            parameters=(GivenParameters(definition, (GivenValue("P", "hunter2"),)),),
        )
        job = engine.accept(order)
        assert "hunter2" not in str(engine.jobs.values(job))
    with engine.store.reading() as session:
        assert "hunter2" not in str(session.rows(models.JobRequest.select()))


def test_two_engines_on_one_store_move_a_run_book_on_once(engine: Engine) -> None:
    agent = engine.agent()
    module = engine.module()
    job = schedule(engine, run_book(engine, module_job(module), module_job(module)), agent)
    (order,) = engine.reception.claim(agent, 1)
    engine.finish(agent, order)
    engine.clock.tick()
    engine.clock.tick()
    assert len(engine.reception.claim(agent, 5)) == 1
    assert status(engine, job) is JobStatus.ACTIVE


def tick(engine: Engine, order: JobOrder) -> JobView:
    job = engine.accept(order)
    engine.clock.tick()
    return engine.jobs.get(job.guid)


def member(engine: Engine, team: int, name: str) -> None:
    agent_id = engine.store.unit_of_work(
        lambda session: session.scalar(
            models.Agent.select(models.Agent.id).where(models.Agent.name == name)
        )
    )
    insert = models.TeamMember.insert(team_id=team, kind=0, member_id=agent_id)
    engine.store.unit_of_work(lambda session: session.execute(insert))


def left(module: uuid.UUID, **values: str) -> tuple[FinalValue, ...]:
    """The values that a run of a module has left."""
    return tuple(FinalValue(0, module, name, value) for name, value in values.items())
