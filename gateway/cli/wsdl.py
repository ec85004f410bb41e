"""``wsdl``: the published contract, for clients that import it from a file."""

from pathlib import Path

import click

from gateway.cli.options import with_settings
from gateway.settings import Loaded


@click.command()
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="A file to write.")
@with_settings
def wsdl(loaded: Loaded, output: Path | None) -> None:
    """Print the WSDL of the Dispatcher surface, with the configured public address."""
    from gateway import application  # noqa: PLC0415  # see gateway.cli.session

    document = application.wsdl(loaded.settings)
    if output is None:
        click.echo(document, nl=False)
    else:
        output.write_bytes(document)
