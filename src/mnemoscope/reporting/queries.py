"""Sentences on what sampling gives back, on planted secrets and on what a coin a unit proves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mnemoscope.records import Estimate
from mnemoscope.reporting import names
from mnemoscope.reporting.wording import count, interval, number, percent, until

Known = Mapping[str, Estimate]

QUERIES = 10_000
"""Queries a record of the sentence on sampling, fixed beforehand."""


def main_decoding(node: Mapping[str, Any], config: Any) -> str | None:
    """The decoding of the headline among those of one prefix: the first that was asked for, never the best.

    Args:
        node: one prefix of the family "sampling" in summary.json.
        config: the settings of the run, which hold the decodings in their order; a file may have lost it.
    """
    measurement = config.get("measurement") if isinstance(config, Mapping) else None
    asked = measurement.get("decodings") if isinstance(measurement, Mapping) else None
    known = [name for name, one in node.items() if "expected" in one]
    return next((name for name in asked or known if name in known), None)


def many_queries(known: Known) -> list[str]:
    """What sampling the same beginning again and again gives back, members beside held-out records."""
    first = next((names.parts(name) for name in known if name.startswith("sampling.")), None)
    if first is None:
        return []
    prefix = names.main_prefix({names.parts(name)[1] for name in known if name.startswith("sampling.")})
    path = f"sampling.{prefix}.{first[2]}.expected.n{QUERIES}"
    members, others = known.get(f"{path}.members"), known.get(f"{path}.nonmembers")
    if prefix is None or members is None or others is None or members.value is None or others.value is None:
        return []
    return [
        f"Sampled {QUERIES:,} times from its {until(prefix)} ({first[2]}), {_share(members)} of training records "
        f"(about {members.value * members.n_members:,.1f} of {members.n_members:,}) and {_share(others)} of held-out "
        "records are expected to come back word for word at least once."
    ]


def planted_secrets(known: Known) -> list[str]:
    """Whether planted secrets come back, and what the coins prove."""
    return [
        *_canaries(known),
        *(_refuted(known, name) for name in ("canaries.one_run", "one_run") if f"{name}.epsilon" in known),
    ]


def _canaries(known: Known) -> list[str]:
    kinds = dict.fromkeys(
        names.parts(n)[1] for n in known if n.startswith("canaries.") and n.endswith("included.verbatim")
    )
    found = []
    for kind in kinds:
        inside, outside = known[f"canaries.{kind}.included.verbatim"], known.get(f"canaries.{kind}.heldout.verbatim")
        if inside.value is not None and outside is not None and outside.value is not None:
            found.append(
                f"Of {count(inside.n_members, 'planted canary', 'planted canaries')} ({kind}), {_share(inside)} give "
                f"their secret back whole; of {outside.n_nonmembers:,} held out, {_share(outside)}."
            )
    return found


def _refuted(known: Known, name: str) -> str:
    bound, most = known[f"{name}.epsilon"], known[f"{name}.ceiling"]
    if bound.value is None or most.value is None:
        return ""
    if not bound.value:
        return (
            "The coins refute no epsilon of differential privacy, which does not show that the training is private; "
            f"perfect guesses would have refuted all below {number(most.value)}."
        )
    unit = "a canary" if name.startswith("canaries") else "a document or person"
    return (
        f"With {percent(bound.level)} confidence the training is not epsilon-differentially private ({unit} being the "
        f"unit) for any epsilon below {number(bound.value)}; perfect guesses would have shown {number(most.value)}."
    )


def _share(e: Estimate) -> str:
    leaf = {"value": e.value, "low": e.low, "high": e.high}
    return f"{percent(e.value or 0.0)} {interval('verbatim', leaf)}".strip()
