"""The figures of a finished audit or study as files of their own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mnemoscope import reporting
from mnemoscope.errors import ConfigError, unknown
from mnemoscope.option_types import split_commas
from mnemoscope.progress import say
from mnemoscope.steps.answering import study_figures
from mnemoscope.steps.outputs import evidence

if TYPE_CHECKING:
    from mnemoscope.store import Run

FIGURES, FORMATS = "figures", ("svg", "png", "pdf")


def figure_formats(given: str | Iterable[str]) -> tuple[str, ...]:
    """The formats that are asked for, each once.

    Raises:
        ConfigError: one is not known, or the libraries that draw are missing.
    """
    formats = tuple(dict.fromkeys(name.lower().removeprefix(".") for name in split_commas(given)))
    for name in formats:
        if name not in FORMATS:
            raise ConfigError(f"--figures: {unknown('format', name, FORMATS)}")
    if formats and not reporting.available():
        raise ConfigError("--figures needs libraries that are missing. Run  pip install 'mnemoscope[report]'")
    return formats


def draw(run: Run, formats: Iterable[str]) -> None:
    """Write RUN/figures/NAME.FORMAT for every figure that has something to show; what lay there before is gone."""
    if "study" in run.manifest:
        files = study_figures(run, formats)
    else:
        found = evidence(run)
        files = reporting.figure_files(found, reporting.summary(found), formats)
    with run.writing(FIGURES) as folder:
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
    say(f"{len(files)} figures are in {run.folder / FIGURES}")
