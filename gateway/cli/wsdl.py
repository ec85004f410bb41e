"""``wsdl``: the published contract, for clients that import it from a file."""

from pathlib import Path

import click

from gateway.cli.options import with_settings
from gateway.settings import Loaded, Settings


@click.command()
@click.option(
    "--soap",
    type=click.Choice(["1.1", "1.2", "all"]),
    default="1.1",
    show_default=True,
    help="The ports in it; some old clients take one only.",
)
@click.option(
    "--service",
    type=click.Choice(["scheduling", "resource"]),
    default="scheduling",
    show_default=True,
    help="Which service of the surface.",
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="A file to write.")
@with_settings
def wsdl(loaded: Loaded, soap: str, service: str, output: Path | None) -> None:
    """Print the WSDL of a service of the Dispatcher surface, with the address that clients use."""
    # Imported when needed: Spyne takes its time.
    from gateway.surfaces.dispatcher import published  # noqa: PLC0415
    from gateway.surfaces.dispatcher.service import SERVICES  # noqa: PLC0415

    chosen = next(each for each in SERVICES if each.stem == service)
    address = f"{_base(loaded.settings)}{chosen.path}/soap"
    document = published.requested(chosen, {"wsdl": soap}, address) or b""
    if output is None:
        click.echo(document, nl=False)
    else:
        output.write_bytes(document)


def _base(settings: Settings) -> str:
    if settings.public_url is not None:
        return settings.public_url
    first = settings.listeners[0]
    host = f"[{first.address}]" if ":" in first.address else first.address
    return f"{'https' if first.tls else 'http'}://{host}:{first.port}"
