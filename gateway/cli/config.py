"""``config``: every setting, its value, and which source set it."""

import click

from gateway.cli import rendering
from gateway.cli.options import as_json, with_settings
from gateway.settings import Loaded, schema, sources


@click.command()
@as_json
@with_settings
def config(loaded: Loaded, json_wanted: bool) -> None:
    """Show every setting, its value, and which source set it."""
    rows = [_row(loaded, name) for name in sources.leaves()]
    if json_wanted:
        rendering.show_json(rows)
    else:
        rendering.show_table(rows, ("setting", "value", "source"))


def _row(loaded: Loaded, name: str) -> dict[str, object]:
    origin = loaded.sources[name]
    return {
        "setting": name,
        "value": schema.shown(sources.value_of(loaded.settings, name)),
        "source": str(origin.source),
        "origin": origin.text,
        "description": sources.leaves()[name].description,
    }
