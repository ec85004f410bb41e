"""Which jobs that have not ended use a resource: they fetch it by what they were accepted with."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import peewee

from gateway.catalog import resource_users
from gateway.catalog.catalog import DefinitionKind
from gateway.catalog.resources import Keys
from gateway.catalog.sealing import SealedModule
from gateway.jobs.states import Stage
from storage import models
from storage.session import Session

_JOB = models.Job
_REQUEST = models.JobRequest
_VERSION = models.DefinitionVersion


def described_jobs(session: Session, keys: Keys, tenant: int = 1) -> list[str]:
    """The jobs that wait or run and refer to a resource by one of these keys, in words.

    Those of the same content are told as one.
    """
    what = _REQUEST.what.cast("TEXT")
    query = (
        _JOB.select(
            what.alias("asked"),
            peewee.fn.COUNT(_JOB.id).alias("jobs"),
            peewee.fn.MIN(_JOB.id).alias("first"),
        )
        .join(_REQUEST, on=(_REQUEST.job_id == _JOB.id))
        .where((_JOB.tenant_id == tenant) & (_JOB.stage < Stage.HISTORY))
        .group_by(what)
    )
    groups = [(set(_versions(json.loads(row["asked"]))), row) for row in session.rows(query)]
    using = _using(session, {each for versions, _ in groups for each in versions}, keys)
    return [_described(session, row) for versions, row in groups if versions & using]


def _versions(asked: Any) -> Iterator[int]:
    """All versions of definitions in what a job was accepted with, however deep."""
    if isinstance(asked, list):
        for item in asked:
            yield from _versions(item)
    elif isinstance(asked, dict):
        for name, member in asked.items():
            if name == "version" and isinstance(member, int):
                yield member
            else:
                yield from _versions(member)


def _using(session: Session, versions: set[int], keys: Keys) -> set[int]:
    """Those versions that are of modules which refer to a resource so."""
    found: set[int] = set()
    for version in versions:
        query = (
            _VERSION.select(_VERSION.body)
            .join(models.Definition, on=(models.Definition.id == _VERSION.definition_id))
            .where((_VERSION.id == version) & (models.Definition.kind == DefinitionKind.MODULE))
        )
        row = session.first(query)
        if row and resource_users.fetches(SealedModule.model_validate(row["body"]), keys):
            found.add(version)
    return found


def _described(session: Session, row: Mapping[str, Any]) -> str:
    guid = session.scalar(_JOB.select(_JOB.guid).where(_JOB.id == row["first"]))
    if row["jobs"] == 1:
        return f"the job {guid}, which has not ended"
    return f"{row['jobs']} jobs that have not ended, such as {guid}"
