"""``import`` and ``export``: building blocks, files of definitions, resources and folders."""

import base64
from collections import Counter
from pathlib import Path

import click

from gateway.cli import rendering
from gateway.cli.options import as_json, with_comment, with_settings
from gateway.cli.session import Session, connect
from gateway.control import CommandFailed
from gateway.settings import Loaded


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--on-conflict",
    type=click.Choice(["skip", "update", "fail"]),
    default="fail",
    show_default=True,
    help="What to do with an object that is there already and differs.",
)
@with_comment
@as_json
@with_settings
def import_(
    loaded: Loaded, files: tuple[Path, ...], on_conflict: str, comment: str, json_wanted: bool
) -> None:
    """Import building blocks in XML or JSON, and the content files beside them.

    All or nothing, over all FILES.
    """
    documents = [
        {"name": file.name, "content": base64.b64encode(file.read_bytes()).decode()}
        for file in files
    ]
    with connect(loaded.settings) as session:
        arguments = {"documents": documents, "on_conflict": on_conflict, "comment": comment}
        entries = session.call("import_blocks", arguments)
    if json_wanted:
        rendering.show_json(entries)
        return
    rendering.show_table(entries, ("change", "kind", "name", "folder", "guid"))
    counts = Counter(entry["change"] for entry in entries)
    click.echo(", ".join(f"{count} {change}" for change, count in sorted(counts.items())))


@click.command("export")
@click.argument("references", nargs=-1, metavar="[GUID_OR_NAME]...")
@click.option("--format", "form", type=click.Choice(["xml", "json"]), default="xml")
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="A file to write.")
@with_settings
def export(loaded: Loaded, references: tuple[str, ...], form: str, output: Path | None) -> None:
    """Export definitions and resources with what they refer to, or everything.

    Modules, projects and run books by GUID or name, resources by GUID. Secrets become markers.
    """
    with connect(loaded.settings) as session:
        block = session.call("export_blocks", {"references": references, "form": form})
        if output is None:
            _refuse_files(block["files"])
            click.echo(block["document"], nl=False)
            return
        for file in block["files"]:
            _write(session, output.parent / file["name"], file["blob"])
        output.write_text(block["document"], "utf-8", newline="")
    click.echo(f"wrote {output}" + "".join(f", {file['name']}" for file in block["files"]))


def _refuse_files(files: list[dict[str, str]]) -> None:
    if files:
        raise CommandFailed(
            "files", f"{len(files)} large resources become files beside the block: use --output"
        )


def _write(session: Session, path: Path, blob: str) -> None:
    with path.open("wb") as to:
        for piece in session.stream("blob", {"blob": blob}):
            to.write(base64.b64decode(piece))
