"""The step from traces to what target and reference know of each sensitive value."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from mnemoscope import extraction, models
from mnemoscope.leaks import SpanLeak
from mnemoscope.progress import bar, say
from mnemoscope.seeds import generator
from mnemoscope.tables import read_rows, write_rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from mnemoscope.models import Tokens
    from mnemoscope.records import Record
    from mnemoscope.steps.case import Case
    from mnemoscope.traces import Traces

Model = Literal["target", "reference"]


@dataclass(frozen=True, slots=True)
class _Question:
    """A text up to a value, and the values that it may go on with."""

    row: int
    """Of the leak that is ranked."""
    context: NDArray[np.int32]
    """Tokens that all candidates stand after."""
    candidates: Tokens
    """Tokens of each candidate with the blank before it; the true value is the first."""

    @property
    def cost(self) -> int:
        """Tokens that one model reads."""
        return 1 + len(self.context) + self.candidates.total


def spans(case: Case, traces: Mapping[str, Traces]) -> list[SpanLeak]:
    """Every sensitive value that the traces cover; a sample of each type and class is ranked among its type's values.

    Candidates are judged by their mean log-probability a token, so that a long one is not worse for its length.
    """
    path, asked = case.file("spans.parquet"), case.measurement
    inputs = {
        "traces": case.run.key("pass"),
        "sample": asked.span_sample,
        "candidates": asked.span_candidates,
        "seed": case.seed,
    }
    total = sum(len(record.spans) for record in case.records)

    def work() -> None:
        leaks = extraction.span_leaks(traces["target"], traces["reference"], case.records)
        if len(leaks) < total:
            say(f"{total - len(leaks):,} sensitive values stand past the last token read and are left out")
        with case.run.writing(path) as out:
            write_rows(out, SpanLeak, _ranked(case, leaks))

    case.run.stage("spans", inputs, [path], work, units=total)
    return read_rows(case.run.path(path), SpanLeak)


def _ranked(case: Case, leaks: Sequence[SpanLeak]) -> list[SpanLeak]:
    """The leaks, a sample of them with their ranks."""
    found, questions = list(leaks), _questions(case, leaks)
    if not questions:
        return found
    _tell(case, questions)
    with bar("rank values", 2 * len(questions), "values") as tick:
        ranks = [_ranks(case, model, questions, tick) for model in ("target", "reference")]
    for question, rank, reference in zip(questions, *ranks, strict=True):
        found[question.row] = replace(
            found[question.row], candidates=len(question.candidates), rank=rank, rank_reference=reference
        )
    return found


def _ranks(case: Case, model: Model, questions: Sequence[_Question], tick: Callable[..., None]) -> list[float]:
    """Place of each true value among its candidates, 1 = most probable a token."""
    own = model == "reference" and case.base is None  # the reference is the target without its adapter
    lm = case.target if case.base is None or model == "target" else case.base
    ranks = []
    with models.without_adapter(lm, off=own):
        for question in questions:
            scores = models.trace_after(lm, question.context, question.candidates).mean("logprob")
            ranks.append(extraction.midrank(scores.filled(-np.inf)))  # of a value without a token nothing is known
            tick(1)
    return ranks


def _questions(case: Case, leaks: Sequence[SpanLeak]) -> list[_Question]:
    """What is asked about each value of the sample."""
    records = {record.id: record for record in case.records}
    values = extraction.type_values(case.records)
    return [
        _question(case, row, leaks[row], records[leaks[row].id], values[leaks[row].type])
        for row in _sample(case, leaks, records)
        if len(values[leaks[row].type]) > 1
    ]


def _sample(case: Case, leaks: Sequence[SpanLeak], records: Mapping[str, Record]) -> list[int]:
    """Rows of the leaks to rank: so many of each type and class, drawn at random."""
    strata: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row, leak in enumerate(leaks):
        strata[leak.type, records[leak.id].role].append(row)
    wanted = case.measurement.span_sample
    return sorted(
        rows[i]
        for names, rows in strata.items()
        for i in generator(case.seed, "spans", *names).permutation(len(rows))[:wanted]
    )


def _question(case: Case, row: int, leak: SpanLeak, record: Record, values: Sequence[str]) -> _Question:
    """The candidates in place of the value, each cut into tokens together with the text before it."""
    rng = generator(case.seed, "span candidates", leak.id, str(leak.start), str(leak.end), leak.type)
    own = record.text[leak.start : leak.end]
    drawn = extraction.candidates(values, own, case.measurement.span_candidates, rng)
    texts = [replace(record, text=record.text[: leak.start] + value, spans=()) for value in ("", *drawn)]
    ids = models.tokenize(case.target, texts, max_tokens=case.compute.max_tokens).ids
    first = _parting(ids[0], ids[1:])
    return _Question(row, ids[1][:first], models.rows_of([one[first:] for one in ids[1:]]))


def _parting(before: NDArray[np.int32], ids: Sequence[NDArray[np.int32]]) -> int:
    """How many tokens all texts share with the text before the value; each keeps one of its own at least.

    A tokenizer draws the blank, and now and then other signs before the value, into one token with it, for some
    candidates only. All of them go on from where the first one parts, so that all are scored over the same characters.
    """
    shared = max(0, min(len(before), *(len(one) - 1 for one in ids)))
    same = np.all([one[:shared] == before[:shared] for one in ids], axis=0)
    return shared if same.all() else int(np.argmin(same))


def _tell(case: Case, questions: Sequence[_Question]) -> None:
    """The cost in tokens, and in minutes at the rate of the passes that every audit makes."""
    tokens = 2 * sum(question.cost for question in questions)
    rate = case.run.timings["stages"].get("traces", {}).get("per_second")
    about = f", about {tokens / rate / 60:.1f} min" if rate else ""
    say(f"ranking {len(questions):,} sensitive values: {tokens:,} tokens more to read{about}")
