"""The base's traces from an earlier audit of the same records, in place of a second reading."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mnemoscope import models, provenance
from mnemoscope.errors import RunError
from mnemoscope.steps.measuring import REFERENCE, Reading, base_reading, reading_of
from mnemoscope.store import Run
from mnemoscope.tables import read_traces

if TYPE_CHECKING:
    from mnemoscope.steps.case import Case


def taken_over(case: Case, folder: Path | None) -> Reading | None:
    """How a case is read whose base the audit in `folder` has read already; None where there is none.

    The numbers are those of reading both: all that the base's traces depend on has to be the same, the machine too,
    whose rounding would otherwise stand in the difference of target and reference.

    Raises:
        RunError: the folder holds no reading of a base, another one, or a damaged one.
    """
    if folder is None:
        return None
    earlier = Run(Path(folder))
    _refuse_other(case, earlier)
    return reading_of(case, lambda: read_traces(earlier.path(REFERENCE)))


def _refuse_other(case: Case, earlier: Run) -> None:
    name, known = f"--reference-run {earlier.folder.name}", earlier.manifest.get("base_reading")
    if known is None or not earlier.intact("traces"):
        raise RunError(
            f"{name} holds no whole reading of a base: give the run folder of a finished audit, or leave it out"
        )
    wanted = base_reading(case)
    differ = sorted(fact for fact in wanted.keys() | known.keys() if wanted.get(fact) != known.get(fact))
    here = provenance.machine() | models.accelerator(case.target.device)
    then = earlier.timings.get("machine", {})
    differ += [part for part in ("cpu", "accelerator") if here.get(part) != then.get(part)]
    if differ:
        raise RunError(f"{name} read its base with other {', '.join(differ)}: leave it out, or audit as it did")
