"""Errors that an operator can do something about, as one sentence and an exit code."""

import os

from gateway.agents.refusals import AgentRefused
from gateway.agents.users import UserRefused
from gateway.catalog.blobs import BlobLost, NoRoom
from gateway.catalog.building_block_reading import ImportRefused
from gateway.catalog.building_blocks import CatalogChanged
from gateway.catalog.catalog import DefinitionAmbiguous, DefinitionNotFound
from gateway.catalog.changes import NameTaken
from gateway.catalog.checks import Refused
from gateway.catalog.folders import FolderPathError
from gateway.catalog.resources import (
    ContentMissing,
    ResourceAmbiguous,
    ResourceExists,
    ResourceInUse,
    ResourceNotFound,
)
from gateway.catalog.trees import TreeImpossible
from gateway.control import CommandFailed
from gateway.fleet.access import AgentChangeRefused
from gateway.fleet.enrolment import RequestNotFound, TokenNotFound, TokenRefused
from gateway.fleet.exclusive_windows import WindowNotFound, WindowRefused
from gateway.fleet.limits import LimitRefused
from gateway.fleet.membership import MembershipRefused
from gateway.fleet.removal import AgentOnline
from gateway.fleet.roster import AgentAmbiguous, AgentNotFound
from gateway.fleet.teams import TeamAmbiguous, TeamNotFound, TeamRefused
from gateway.front.listeners import ListenerError
from gateway.identity.audit import CommentRefused
from gateway.identity.errors import IdentityError
from gateway.jobs.calendars import CalendarNotFound, CalendarRefused
from gateway.jobs.explaining import ObjectNotFound
from gateway.jobs.maintenance import MaintenanceRefused
from gateway.jobs.orders import OrderRefused
from gateway.jobs.recurrence import RuleRefused
from gateway.jobs.repeats import KeyRefused, KeyReused
from gateway.jobs.retention import RetentionRefused
from gateway.jobs.schedules import ScheduleNotFound
from gateway.jobs.service import JobNotFound, StoreNearlyFull
from gateway.jobs.states import MoveRefused
from gateway.notifications import rules as notification_rules
from gateway.notifications.outbox import NotificationNotFound
from gateway.notifications.rules import RuleNotFound
from gateway.settings import SettingsError
from storage.errors import StoreError, StoreUnavailable

WRONG_USE = 2
FAILED = 1

# The sentences of these are written to be shown. The first that fits decides.
_KNOWN: tuple[tuple[type[Exception], str, int], ...] = (
    (SettingsError, "settings", WRONG_USE),
    (StoreUnavailable, "store_unavailable", FAILED),
    (StoreError, "store", WRONG_USE),
    (StoreNearlyFull, "store_nearly_full", FAILED),
    (IdentityError, "identity", WRONG_USE),
    (JobNotFound, "job_not_found", WRONG_USE),
    (CalendarNotFound, "calendar_not_found", WRONG_USE),
    (CalendarRefused, "calendar_refused", WRONG_USE),
    (MaintenanceRefused, "maintenance_refused", WRONG_USE),
    (RuleRefused, "rule_refused", WRONG_USE),
    (ScheduleNotFound, "schedule_not_found", WRONG_USE),
    (ObjectNotFound, "object_not_found", WRONG_USE),
    (DefinitionNotFound, "definition_not_found", WRONG_USE),
    (DefinitionAmbiguous, "definition_ambiguous", WRONG_USE),
    (AgentNotFound, "agent_not_found", WRONG_USE),
    (AgentAmbiguous, "agent_ambiguous", WRONG_USE),
    (AgentChangeRefused, "agent_change_refused", WRONG_USE),
    (LimitRefused, "limit_refused", WRONG_USE),
    (WindowNotFound, "window_not_found", WRONG_USE),
    (WindowRefused, "window_refused", WRONG_USE),
    (NotificationNotFound, "notification_not_found", WRONG_USE),
    (RuleNotFound, "notification_rule_not_found", WRONG_USE),
    (RetentionRefused, "retention_refused", WRONG_USE),
    (notification_rules.RuleRefused, "notification_rule_refused", WRONG_USE),
    (RequestNotFound, "enrolment_not_found", WRONG_USE),
    (TokenNotFound, "enrolment_token_not_found", WRONG_USE),
    (TokenRefused, "enrolment_token_refused", WRONG_USE),
    (TreeImpossible, "definition_incomplete", WRONG_USE),
    (AgentOnline, "agent_online", WRONG_USE),
    (TeamNotFound, "team_not_found", WRONG_USE),
    (TeamAmbiguous, "team_ambiguous", WRONG_USE),
    (TeamRefused, "team_refused", WRONG_USE),
    (MembershipRefused, "membership_refused", WRONG_USE),
    (CommentRefused, "comment_refused", WRONG_USE),
    (OrderRefused, "order_refused", WRONG_USE),
    (KeyRefused, "idempotency_key_refused", WRONG_USE),
    (KeyReused, "idempotency_key_reused", WRONG_USE),
    (MoveRefused, "move_refused", WRONG_USE),
    (ImportRefused, "import_refused", WRONG_USE),
    (CatalogChanged, "catalog_changed", FAILED),
    (ResourceNotFound, "resource_not_found", WRONG_USE),
    (ResourceAmbiguous, "resource_ambiguous", WRONG_USE),
    (ResourceExists, "resource_exists", WRONG_USE),
    (ContentMissing, "content_missing", WRONG_USE),
    (ResourceInUse, "resource_in_use", WRONG_USE),
    (NameTaken, "name_taken", WRONG_USE),
    (Refused, "refused", WRONG_USE),
    (FolderPathError, "folder_path", WRONG_USE),
    (NoRoom, "no_room", FAILED),
    (BlobLost, "content_lost", FAILED),
    (ListenerError, "listener", WRONG_USE),
    (UserRefused, "task_user", WRONG_USE),
    (AgentRefused, "agent", WRONG_USE),
)


def describe(error: Exception) -> CommandFailed | None:
    """What to tell of an error; None for one that nobody expected."""
    if isinstance(error, CommandFailed):
        return error
    for kind, word, exit_code in _KNOWN:
        if isinstance(error, kind):
            return CommandFailed(word, str(error), exit_code)
    if isinstance(error, OSError) and error.errno is not None:
        where = f"{error.filename}: " if error.filename else ""
        return CommandFailed("system", f"{where}{os.strerror(error.errno)}", WRONG_USE)
    return None
