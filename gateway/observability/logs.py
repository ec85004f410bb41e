"""The log: one shape for our lines and for those of libraries, with secrets masked.

Modules log through ``logging.getLogger``; what is put there with ``mark`` stands on every line that
the same thread writes until ``unmark``, such as the request's id.
"""

import contextvars
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from gateway.settings import LogFormat, LogLevel

MASK = "********"

_SECRET_NAMES = re.compile(
    r"passw|secret|token|authorization|cookie|credential|api_?key|private", re.IGNORECASE
)
_SECRET_TEXTS = (
    # scheme://user:password@host
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@]*:)[^\s/@]+(?=@)", re.IGNORECASE), rf"\1{MASK}"),
    # Authorization: Basic dXNlcg==
    (re.compile(r"(\b(?:basic|bearer|negotiate)\s+)[\w+/=.~-]{4,}", re.IGNORECASE), rf"\1{MASK}"),
    # password=..., "token": "..."
    (
        re.compile(
            r"""(\b[\w-]*(?:password|passwd|secret|token)["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;&]+)""",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")

# Libraries that tell at INFO of each thing they do.
# What they tell is of no use to operators; Peewee tells every value of every statement.
_TALKATIVE = ("apscheduler", "httpx", "httpcore", "peewee", "urllib3")

Event = MutableMapping[str, Any]

mark = structlog.contextvars.bind_contextvars
"""``marks = mark(request_id=...)`` puts values on every line from here on, until ``unmark``."""


def unmark(marks: Mapping[str, contextvars.Token[Any]]) -> None:
    """Take off the log's lines what ``mark`` has put there."""
    structlog.contextvars.reset_contextvars(**marks)


def configure(level: LogLevel, form: LogFormat, stream: TextIO | None = None) -> None:
    """Let everything that logs in this process write to ``stream``, stderr unless given."""
    shared = _shared()
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_rendering(form, stream),
            ],
        )
    )
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        mask_secrets,
    ]


def _rendering(form: LogFormat, stream: TextIO) -> list[Processor]:
    if form is LogFormat.JSON:
        return [structlog.processors.JSONRenderer(default=str)]
    colours = stream.isatty() and sys.platform != "win32"
    return [one_line, structlog.dev.ConsoleRenderer(colors=colours)]


def mask_secrets(_logger: Any, _method: str, event: Event) -> Event:
    """Mask values whose names or forms are those of secrets: the last guard, not the first."""
    for name, value in event.items():
        event[name] = MASK if _SECRET_NAMES.search(name) and value else _masked(value)
    return event


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        for pattern, replacement in _SECRET_TEXTS:
            value = pattern.sub(replacement, value)
    elif isinstance(value, dict):
        return mask_secrets(None, "", {str(name): inner for name, inner in value.items()})
    elif isinstance(value, list | tuple):
        return [_masked(item) for item in value]
    return value


def one_line(_logger: Any, _method: str, event: Event) -> Event:
    """Escape control characters, so that what a client sent cannot pass for a line of its own."""
    for name, value in event.items():
        if isinstance(value, str) and name != "exception":
            event[name] = _CONTROL.sub(lambda found: repr(found[0])[1:-1], value)
    return event
