"""Short names of records, which tell nothing to anybody but the owner of the data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from mnemoscope.records import Record

FIRST = 8
"""Hex digits of a name; more where two records would share one."""


def record_hashes(records: Sequence[Record]) -> dict[str, str]:
    """Id to a hash of it, all of equal length in hex digits, in the order of the records.

    Ids are often guessable (a number of PubMed, a name), so a plain hash of them could be undone by trying. The hash
    is keyed (BLAKE2b, RFC 7693) with what only the owner has, the ids and texts of all records together: whoever
    lacks one of the texts cannot compute it, and equal data gives equal names.
    """
    key = _key(records)
    full = {record.id: hashlib.blake2b(_bytes(record.id), key=key).hexdigest() for record in records}
    length = FIRST
    while len({name[:length] for name in full.values()}) < len(full):
        length += 1
    return {identity: name[:length] for identity, name in full.items()}


def _key(records: Sequence[Record]) -> bytes:
    key = hashlib.blake2b(person=b"mnemoscope ids")
    for record in records:
        for part in (_bytes(record.id), _bytes(record.text)):
            key.update(len(part).to_bytes(8, "big") + part)  # the length, so that no two data sets are read alike
    return key.digest()


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
