"""The command line: one command is one public function."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from cyclopts import App, CycloptsError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mnemoscope import pipeline
from mnemoscope.errors import Interrupted, UserError
from mnemoscope.progress import say

app = App(
    name="mnemoscope",
    help="Shows what a fine-tuned language model remembers of its training text.",
    help_epilogue="Start with  mnemoscope demo  (a few minutes, no data or model needed).",
    suppress_keyboard_interrupt=False,
)
app.command(pipeline.demo)
app.command(pipeline.finetune)
app.command(pipeline.audit)
app.command(pipeline.canaries)
app.command(pipeline.study)
app.command(pipeline.compare)
app.command(pipeline.report)


@app.command
def attacks() -> Table:
    """List the membership attacks: name, what they need, cost, source, formula.

    The cost is in forward passes over the records beyond the two that every audit makes: one of the target and one of
    the reference. Attacks that cost none are run when none is named.
    """
    from mnemoscope import registry  # needs numpy, which --help does not

    table = Table(box=None, header_style="bold", padding=(0, 2, 1, 0))
    table.add_column("attack", no_wrap=True)
    table.add_column("cost", max_width=11)
    table.add_column("score (higher = more likely a member)")
    for one in registry.attacks().values():
        told = Text.assemble(one.summary, "\n", (f"needs {', '.join(one.needs)} · {one.source}", "dim"))
        table.add_row(one.name, one.cost, told)
    return table


def main(arguments: list[str] | None = None) -> None:
    """Run a command; a user's mistake is one line and exit code 2, Ctrl-C or SIGTERM is exit code 130."""
    try:
        with _terminating_gently():
            result = app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except (UserError, CycloptsError) as error:
        say(f"mnemoscope: {' '.join(str(error).split())}")
        sys.exit(2)
    except (KeyboardInterrupt, Interrupted) as error:
        say(f"mnemoscope: {str(error) or 'stopped'}. What is finished is kept; the same command goes on from there.")
        sys.exit(130)
    if result is not None:
        Console().print(result)
    if getattr(result, "failed", ()):
        sys.exit(1)  # a cell failed, and a script must hear of it


@contextmanager
def _terminating_gently() -> Iterator[None]:
    """Inside, SIGTERM, which schedulers send some seconds before they kill, does what Ctrl-C does at that moment."""

    def stop(*_: object) -> None:
        answer = signal.getsignal(signal.SIGINT)
        if not callable(answer):  # Ctrl-C is ignored in the background
            raise KeyboardInterrupt
        answer(signal.SIGINT, None)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
