"""Which surface answers a request: the first segment of the path decides.

So a 404 or 405 that no route answers comes in the dialect that its client reads.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import flask
import werkzeug.exceptions

ErrorAnswer = Callable[[werkzeug.exceptions.HTTPException], flask.Response]


@dataclass(frozen=True)
class Surface:
    """A surface: its routes, the first segments of its paths (lower case), its error pages."""

    name: str
    segments: frozenset[str]
    routes: flask.Blueprint
    error_answer: ErrorAnswer


def of_path(surfaces: Mapping[str, Surface], path: str) -> Surface | None:
    """The surface that a path belongs to; ``surfaces`` by their segments."""
    return surfaces.get(path.strip("/").partition("/")[0].lower())


def by_segment(surfaces: tuple[Surface, ...]) -> dict[str, Surface]:
    """The surfaces by the segments that they use. ValueError where two claim the same."""
    table: dict[str, Surface] = {}
    for surface in surfaces:
        for segment in surface.segments:
            if segment in table:
                raise ValueError(f"{surface.name} and {table[segment].name} both use /{segment}")
            table[segment] = surface
    return table
