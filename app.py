"""The program: ``python app.py serve``, and a WSGI entry point for other servers.

``app:application`` serves requests with the settings of ``GATEWAY_*`` and the file that
``GATEWAY_CONFIG`` names. Only ``serve`` brings the listeners, limits and draining stop of the
documentation, and the clock that starts jobs.
"""

import contextlib
from typing import TYPE_CHECKING, Any

from gateway.cli import main

_held = contextlib.ExitStack()

if TYPE_CHECKING:
    from flask import Flask

    application: Flask


def __getattr__(name: str) -> Any:
    # Made when a WSGI server asks for it: the command line opens no store before it must.
    if name != "application":
        raise AttributeError(name)
    globals()[name] = _application()
    return globals()[name]


def _application() -> "Flask":
    from gateway import application as house  # noqa: PLC0415
    from gateway.cli import options  # noqa: PLC0415
    from gateway.datafolder import DataFolder  # noqa: PLC0415

    settings = options.load({}, None).settings
    folder = DataFolder(settings.data)
    folder.create()
    _held.enter_context(folder.hold())
    return house.create_app(house.build(settings, folder))


if __name__ == "__main__":
    main()
