"""What a run was trained on, against what an audit is given."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from mnemoscope.errors import DataError
from mnemoscope.records import Record


def reconcile(given: Sequence[Record], trained: Sequence[Record]) -> tuple[Record, ...]:
    """The given records with the roles that training left them: planted, excluded, member or not.

    A record is the same when its id and its text are; one that the training never saw keeps its role.

    Raises:
        DataError: a record is called a non-member and was trained on, or a member and was not.
    """
    known = {(record.id, record.text): record for record in trained}
    agreed = []
    for record in given:
        then = known.get((record.id, record.text))
        if then is not None and then.role != "excluded" and then.role != record.role:
            raise DataError(
                f"record {record.id!r} is given as a {record.role}, but the adapter's run has it as a {then.role}. "
                "Give the data that the adapter was trained on, or leave the data out."
            )
        found = record if then is None else dataclasses.replace(record, role=then.role, copies=then.copies)
        agreed.append(found)
    return tuple(agreed)
