"""The page of documentation that lists every setting, ``docs/settings.md``."""

import enum
import json
import typing
from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from gateway.settings import sources
from gateway.settings.schema import Settings, shown

_HEAD = """\
# Settings

This page is made by `python -m gateway.settings > docs/settings.md`.

A setting is taken from the last of these that has it:

1. its default, listed below;
2. a TOML file, named by `--config FILE` or by the variable `GATEWAY_CONFIG`;
3. the environment: `GATEWAY_` and the name in capitals, with `__` for each dot
   (`GATEWAY_LIMITS__BODY_BYTES=1048576`). Lists are written with commas or as JSON, groups as JSON;
4. the command line: `--data`, `--host`, `--port`, `--demo`, and `--set NAME=VALUE` for all others.

`gateway config` shows every setting, its value, and which source set it. A name that does not
exist and a value that is not allowed stop the program with one line that says which and where.

`host` and `port`, in any of the sources, are short for the address and port of the first listener.
Relative paths start at the folder in which the program is started. Sizes are in bytes, times in
seconds. Passwords are never shown.

```toml
data = "/var/lib/gateway"
public_url = "https://automation.example.com"
trusted_proxies = ["10.0.0.0/8"]
web_api = "ENABLED"

[[listeners]]
address = "0.0.0.0"
port = 8080

[[listeners]]
address = "0.0.0.0"
port = 8443
surfaces = ["dispatcher"]
tls = { certificate = "/etc/gateway/server.pem", key = "/etc/gateway/server.key" }

[limits]
body_bytes = 16777216
```

| Setting | Default | Meaning |
| --- | --- | --- |
"""


def text() -> str:
    """The whole page."""
    defaults = Settings()
    rows = (_row(name, field, defaults) for name, field in sources.leaves().items())
    return _HEAD + "".join(rows)


def _row(name: str, field: FieldInfo, defaults: Settings) -> str:
    default = _default(sources.value_of(defaults, name))
    return f"| `{name}` | {default} | {meaning(field)} |\n"


def _default(value: Any) -> str:
    plain = shown(value)
    if plain is None or plain == []:
        return "none"
    if isinstance(plain, list) and isinstance(plain[0], dict):
        return "`127.0.0.1:8080` with everything"
    if isinstance(plain, list):
        return f"`{', '.join(plain)}`"
    return f"`{plain if isinstance(plain, str) else json.dumps(plain)}`"


def meaning(field: FieldInfo) -> str:
    """What a setting is for, and the words that it allows if these are few."""
    allowed = [member.value for kind in _enumerations(field.annotation) for member in kind]
    words = f" One of {', '.join(f'`{word}`' for word in allowed)}." if allowed else ""
    return f"{field.description}{words}"


def _enumerations(annotation: Any) -> Iterator[type[enum.Enum]]:
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        yield annotation
    for member in typing.get_args(annotation):
        yield from _enumerations(member)
