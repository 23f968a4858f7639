"""What two audits did differently, so that a difference of their numbers need not be one of memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mnemoscope.changes import Audited, Comparison
from mnemoscope.reporting.wording import count


def findings(found: Comparison) -> list[str]:
    """What a reader should know before the numbers, one sentence each; no text and no id of a record."""
    return [*_records(found), *_models(found.before, found.after), *_asked(found.before, found.after)]


def _records(found: Comparison) -> Iterator[str]:
    common = found.shared
    n = len(common.ids)
    total = min(len(found.before.records), len(found.after.records))
    if not common.paired:
        yield (
            f"The audits have {count(n, 'record')} in common, too few to compare them record by record: they are taken "
            "for independent samples, and a difference between the data sets counts like one between the models."
        )
    elif 2 * n < total:
        yield f"Only {n:,} of {total:,} records can be compared, so the numbers here are not those of the two audits."
    if common.other_role:
        yield (
            f"{count(common.other_role, 'record')} trained on in one audit only and held out in the other: "
            + ("used on neither side." if common.paired else "the intervals do not know of that.")
        )
    if common.other_text:
        yield f"{count(common.other_text, 'record')} with the same id and another text: no common ones."
    if common.other_group:
        yield f"{count(common.other_group, 'record')} in another group in the other audit: no common ones."
    if common.other_copies:
        yield f"{count(common.other_copies, 'common record')} trained on a different number of times in the two."


def _models(before: Audited, after: Audited) -> Iterator[str]:
    one, other = (_node(side, "model") for side in (before, after))
    if one.get("weights_sha256") != other.get("weights_sha256"):
        yield (
            "The audits are of different base models: their perplexities may count different tokens, and a difference "
            "need not come from the fine-tuning."
        )
    if _node(before, "reference").get("weights_sha256") != _node(after, "reference").get("weights_sha256"):
        yield "The targets were compared with different reference models."
    if one.get("dtype") != other.get("dtype"):
        yield f"The models ran in different number formats: {one.get('dtype')} and {other.get('dtype')}."
    loaded = [side.get("load_in", "full") for side in (one, other)]
    if loaded[0] != loaded[1]:
        yield f"The weights were loaded in different numbers of bits: {loaded[0]} and {loaded[1]}."


def _asked(before: Audited, after: Audited) -> Iterator[str]:
    one, other = (_node(side, "config").get("measurement", {}) for side in (before, after))
    versions = [(side.manifest.get("versions") or {}).get("mnemoscope") for side in (before, after)]
    commits = [side.manifest.get("commit") for side in (before, after)]
    if versions[0] != versions[1] or commits[0] != commits[1]:
        yield (
            "The audits were made by different versions of mnemoscope: an attack may be another one under its old "
            "name. Audit both with one version to be sure."
        )
    if one.get("level", 0.95) != other.get("level", 0.95):
        yield f"The audits have other confidence levels: {one.get('level')} and {other.get('level')}."
    yield from _lacking("attacks", before.scores, after.scores)
    yield from _lacking("prefixes", _seen(before.extractions, "prefix"), _seen(after.extractions, "prefix"))
    yield from _lacking("decodings", _seen(before.sampled, "decoding"), _seen(after.sampled, "decoding"))
    yield from _lacking("ways to generate", _seen(before.generations, "decoding"), _seen(after.generations, "decoding"))


def _lacking(what: str, one: Iterable[str], other: Iterable[str]) -> Iterator[str]:
    """What one audit has and the other has not."""
    first, second = sorted(set(one) - set(other)), sorted(set(other) - set(one))
    parts = [f"{', '.join(some)} {when}" for some, when in ((first, "before"), (second, "after")) if some]
    if parts:
        yield f"Not compared, because one audit alone has these {what}: {'; '.join(parts)}."


def _seen(rows: Iterable[Any], field: str) -> set[str]:
    return {getattr(row, field) for row in rows}


def _node(side: Audited, name: str) -> Mapping[str, Any]:
    node = side.manifest.get(name)
    return node if isinstance(node, Mapping) else {}
