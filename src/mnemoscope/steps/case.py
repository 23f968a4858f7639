"""What is audited, for the steps that need nearly all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mnemoscope.prefixes import parse_prefix
from mnemoscope.steps.opening import open_pair, tokens
from mnemoscope.store import key_of

if TYPE_CHECKING:
    from mnemoscope.config import Compute, Measurement
    from mnemoscope.models import LanguageModel, Tokens
    from mnemoscope.records import Record
    from mnemoscope.steps.inputs import Trained
    from mnemoscope.store import Run


@dataclass(frozen=True, slots=True)
class Case:
    """An audit in progress: who is asked, about what, how, and where the files go."""

    run: Run
    cell: str
    target: LanguageModel
    base: LanguageModel | None
    """The reference where it is another model than the target without its adapter."""
    trained: Trained | None
    """The adapter on disk; None for a merged target."""
    records: Sequence[Record]
    """Members and non-members; excluded records are not audited."""
    tokens: Tokens
    """Aligned to `records`."""
    measurement: Measurement
    compute: Compute
    seed: int
    apart: str = ""
    """Hash of the ids of canaries that stand among the run's records and are not audited with them."""

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The prefixes asked for, each once and in its one spelling."""
        return tuple(dict.fromkeys(parse_prefix(text).label for text in self.measurement.prefixes))

    @property
    def records_key(self) -> str:
        """What stages depend on that look at the audited records."""
        key = self.run.key("records")
        return key_of([key, self.apart]) if self.apart else key

    def file(self, name: str) -> str:
        """Path of the cell's file `name` inside the run folder."""
        return f"cells/{self.cell}/{name}"


def open_case(
    run: Run,
    model: str,
    trained: Trained | None,
    reference: str | None,
    records: Sequence[Record],
    apart: Sequence[Record],
    measurement: Measurement,
    compute: Compute,
    seed: int,
) -> Case:
    """Open the models and cut the records into tokens; `apart` are the records without canaries.

    Raises:
        ModelError: a model cannot be used, or the two do not belong together.
    """
    target, base = open_pair(model, trained, reference, compute)
    audited = [record for record in apart if record.role != "excluded"]
    canaries = sorted({record.id for record in records} - {record.id for record in apart})
    cell = trained.cell if trained else target.name
    return Case(
        run, cell, target, base, trained, audited, tokens(target, base, audited, compute), measurement, compute, seed,
        key_of(canaries) if canaries else "",
    )  # fmt: skip
