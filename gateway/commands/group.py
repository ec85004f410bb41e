"""Commands that belong together: every public method of a group is one, by its name."""

import dataclasses
from collections.abc import Callable, Mapping

from gateway.identity import audit
from gateway.identity.principals import MACHINE, Caller

Command = Callable[..., object]


class CommandGroup:
    """The base of all groups. The names of commands begin with what they are about: job_list."""

    def commands(self) -> Mapping[str, Command]:
        """All commands by name."""
        public = (name for name in vars(type(self)) if not name.startswith("_"))
        return {name: getattr(self, name) for name in public if name != "commands"}


def machine(comment: str) -> Caller:
    """The machine itself, with what is to stand beside its change in the audit trail.

    Raises audit.CommentRefused.
    """
    audit.check_comment(comment)
    return dataclasses.replace(MACHINE, comment=comment)
