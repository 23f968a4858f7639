"""What the verbs give back: views of a run folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from mnemoscope import steps
from mnemoscope.store import Run

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import RenderableType


@dataclass(frozen=True)
class Adapter:
    """A fine-tuned adapter."""

    run: Path
    """The run folder."""
    cell: str
    """Its cell, such as vo-r8-x1-s13."""
    trainable_parameters: int

    @property
    def path(self) -> Path:
        """The PEFT folder: PeftModel.from_pretrained loads it."""
        return self.run / "cells" / self.cell / "adapter"

    @cached_property
    def training(self) -> pd.DataFrame:
        """Step, epoch, loss, learning rate, held-out perplexity."""
        return _frame(self.run / "cells" / self.cell / "training.parquet")

    def __rich__(self) -> RenderableType:
        return Text(
            f"adapter  {self.path}\nnext     mnemoscope audit MODEL --adapter {self.run}"
        )  # a path is no markup


@dataclass(frozen=True)
class Audit:
    """A finished audit."""

    run: Path
    cell: str

    @cached_property
    def summary(self) -> dict[str, Any]:
        """summary.json: the verdict, then every estimate."""
        value: dict[str, Any] = json.loads((self.run / "summary.json").read_text(encoding="utf-8"))
        return value

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """One row an estimate: name, value, low, high, level, method, counts."""
        return _frame(self.run / "estimates.parquet")

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row a record, one column an attack; higher = more likely a member; null = not scored, with a reason."""
        return _frame(self.run / "cells" / self.cell / "scores.parquet")

    @cached_property
    def extractions(self) -> pd.DataFrame:
        """One row a record, prefix and model: what greedy decoding gives back."""
        return _frame(self.run / "cells" / self.cell / "extractions.parquet")

    @cached_property
    def generations(self) -> pd.DataFrame:
        """One row a generated continuation; private text."""
        return _frame(self.run / "cells" / self.cell / "generations.parquet")

    @cached_property
    def sampled(self) -> pd.DataFrame:
        """One row a record, prefix, model and decoding: log-probability that one query gives back the whole rest."""
        return _frame(self.run / "cells" / self.cell / "sampled.parquet")

    @cached_property
    def spans(self) -> pd.DataFrame:
        """One row a sensitive value: greedy hit, log-probability and rank in target and reference."""
        return _frame(self.run / "cells" / self.cell / "spans.parquet")

    @cached_property
    def judgements(self) -> pd.DataFrame:
        """One row a judged continuation, where a judge was asked; private text."""
        return _frame(self.run / "cells" / self.cell / "judgements.parquet")

    @cached_property
    def unprompted(self) -> pd.DataFrame:
        """One row a text that was written without a prefix, where that was asked for; private text."""
        return _frame(self.run / "cells" / self.cell / "unprompted.parquet")

    @cached_property
    def canaries(self) -> pd.DataFrame:
        """One row a canary, where there were some: score, verbatim return, exposure."""
        return _frame(self.run / "cells" / self.cell / "canaries.parquet")

    def save_report(self, path: str | Path, *, show_text: bool = False) -> Path:
        """Write the page to `path`; redacted unless `show_text`."""
        text = steps.page(Run(self.run), show_text=show_text)
        Path(path).write_text(text, encoding="utf-8")
        Path(path).chmod(0o600)
        return Path(path)

    def __rich__(self) -> RenderableType:
        page = self.run / "report.html"
        place = [Text(f"report  {page}")] if page.is_file() else []
        return Group(steps.terminal(Run(self.run), self.summary), *place)


@dataclass(frozen=True)
class StudyResult:
    """A study: its finished cells and the answers they give."""

    run: Path
    """The study folder."""
    failed: tuple[str, ...]
    """Cells that failed in this call; status.json says why."""

    @cached_property
    def summary(self) -> dict[str, Any]:
        """summary.json: the answers, then every point."""
        value: dict[str, Any] = json.loads((self.run / "summary.json").read_text(encoding="utf-8"))
        return value

    @cached_property
    def points(self) -> pd.DataFrame:
        """One row a statistic of a cell, with its interval."""
        return _frame(self.run / "points.parquet")

    @cached_property
    def answers(self) -> pd.DataFrame:
        """One row a claim: intervals from records and from seeds, decision and reason."""
        return _frame(self.run / "answers.parquet")

    def audit(self, cell: str) -> Audit:
        """The audit of a cell."""
        return Audit(self.run / "cells" / cell, cell)

    def __rich__(self) -> RenderableType:
        page = self.run / "report.html"
        place = [Text(f"report  {page}")] if page.is_file() else []
        return Group(steps.study_terminal(self.summary), *place)


@dataclass(frozen=True)
class Compared:
    """Two audits against each other."""

    run: Path
    """The folder of the comparison."""

    @cached_property
    def summary(self) -> dict[str, Any]:
        """summary.json: the verdict, the sentences, then every difference."""
        value: dict[str, Any] = json.loads((self.run / "summary.json").read_text(encoding="utf-8"))
        return value

    @cached_property
    def changes(self) -> pd.DataFrame:
        """One row a statistic: before, after, after minus before with its interval and p-values."""
        return _frame(self.run / "changes.parquet")

    def __rich__(self) -> RenderableType:
        page = self.run / "report.html"
        place = [Text(f"report  {page}")] if page.is_file() else []
        return Group(steps.compare_terminal(self.run), *place)


def _frame(path: Path) -> pd.DataFrame:
    import pandas as pd

    return pd.read_parquet(path)
