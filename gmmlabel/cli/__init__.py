"""The command line: parsing and printing only, one module a command.

Nothing but typer is imported before a command runs, so that ``--help`` answers at once.
"""

import sys
from typing import Annotated

import typer

from gmmlabel.cli.batch import batch
from gmmlabel.cli.correlate import correlate
from gmmlabel.cli.evaluate import evaluate
from gmmlabel.cli.fit import fit
from gmmlabel.cli.histogram import histogram
from gmmlabel.cli.implant import implant
from gmmlabel.cli.label import demo, label
from gmmlabel.cli.models import models_app
from gmmlabel.cli.phantom import phantom
from gmmlabel.cli.serve import serve_app
from gmmlabel.cli.stability import stability

app = typer.Typer(
    name="gmmlabel",
    help="Label the lung tissue of a chest CT. For research, not for diagnosis.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (
    label,
    demo,
    batch,
    fit,
    histogram,
    stability,
    correlate,
    evaluate,
    implant,
    phantom,
):
    app.command()(_command)
app.add_typer(models_app, name="models")
app.add_typer(serve_app, name="serve")


@app.callback(
    invoke_without_command=True,
    epilog="Add --debug to any command to see the traceback of an error.",
)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"gmmlabel {installed('gmmlabel')}")


def main() -> None:
    """Run the command line: exit status 0 done, 1 the work failed, 2 wrong usage."""
    from gmmlabel.errors import GmmlabelError

    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(args=arguments, prog_name="gmmlabel")
    except Exception as error:
        if len(arguments) < len(sys.argv) - 1:
            raise
        if isinstance(error, GmmlabelError):
            message = str(error)
        elif isinstance(error, MemoryError):
            message = "not enough memory; label on a machine with more, or crop the CT"
        else:
            message = f"unexpected {error!r}; run again with --debug and report what it shows"
        typer.echo(f"gmmlabel: error: {' '.join(message.split())}", err=True)
        sys.exit(1)
