"""study.json -> what was found, a sentence or two a question, chosen without a look at which way it came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mnemoscope.reporting.study_digest import DECISIONS, plural
from mnemoscope.reporting.study_means import Row
from mnemoscope.reporting.study_tables import ends, shown
from mnemoscope.reporting.wording import count

SAID = 2
"""Claims of a question that stand at the head of the page."""


def first_claims(claims: Sequence[Mapping[str, Any]], most: int = SAID) -> list[int]:
    """The places of the claims that are told first, at most `most`.

    The first claim of each family that the paper makes too, then the further ones that it makes, in the order in which
    the study asks them; all claims where the paper makes none. Claims with a value go before those without, those of
    which more seeds speak before the others, and a claim whose numbers were told already is passed over.
    """
    theirs = [i for i, claim in enumerate(claims) if claim["paper"]] or list(range(len(claims)))
    theirs.sort(key=lambda i: (claims[i]["value"] is None, -claims[i]["n_seeds"]))
    new: dict[tuple[Any, ...], int] = {}
    for i in theirs:
        new.setdefault(_numbers(claims[i], i), i)
    families: dict[str, int] = {}
    for i in new.values():
        families.setdefault(claims[i]["family"], i)
    return list(dict.fromkeys([*families.values(), *new.values()]))[:most]


def _numbers(claim: Mapping[str, Any], place: int) -> tuple[Any, ...]:
    """What is equal only where two claims rest on the same cells; a claim without a value is like no other."""
    return tuple(claim[key] for key in ("value", "low", "high")) if claim["value"] is not None else (place,)


def findings(question: Mapping[str, Any], most: int = SAID) -> Row:
    """What the head of the page says of a question: `told`, a row a claim, and `further`, on those beyond `most`."""
    claims = question["claims"]
    places = first_claims(claims, most)
    rest = [claim for i, claim in enumerate(claims) if i not in places]
    return {"places": places, "told": [_told(claims[i]) for i in places], "further": _further(rest, bool(places))}


def _told(claim: Mapping[str, Any]) -> Row:
    """A claim, its numbers in words, its decision, why, and what the paper has."""
    reason = claim["reason"].partition(";")[0].rstrip(".")
    return {
        "claim": claim["claim"][:1].upper() + claim["claim"][1:],
        "numbers": numbers(claim),
        "decision": claim["decision"],
        "why": "" if claim["decision"] == "replicates" else reason,
        "paper": claim["paper"],
    }


def numbers(claim: Mapping[str, Any]) -> list[str]:
    """The value with what it is, then each interval with where it comes from; nothing without a value."""
    if claim["value"] is None:
        return []
    words = [f"{claim['statistic'].partition(' of ')[0]} {shown(claim, 'value')}"]
    if claim["low"] is not None and claim["high"] is not None:
        words.append(f"{ends(claim, 'low', 'high')} from the records")
    if claim["seed_low"] is not None and claim["seed_high"] is not None:
        words.append(f"{ends(claim, 'seed_low', 'seed_high')} over {count(claim['n_seeds'], 'seed')}")
    return words


def _further(claims: Sequence[Mapping[str, Any]], told: bool) -> str:
    """How many other claims were tested, and what came of them."""
    if not claims:
        return "" if told else "This study has no cells that answer it."
    numbers_of = [(sum(claim["decision"] == decision for claim in claims), decision) for decision in DECISIONS]
    parts = [f"{n} {plural(decision, n)}" for n, decision in numbers_of if n]
    return f"{count(len(claims), 'further claim')}: {', '.join(parts)}."
