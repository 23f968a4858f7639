from dataclasses import replace

import pytest

from mnemoscope import data
from mnemoscope.errors import DataError
from mnemoscope.records import Record

A = Record("a", "one", "a", "member", "train", copies=3)
B = Record("b", "two", "b", "excluded", "train", copies=0)
C = Record("c", "six", "c", "nonmember", "evaluation", copies=0)


def test_training_roles_win() -> None:
    """A planted record stays planted and an overwritten one stays excluded, whatever the data says of them."""
    given = (replace(A, copies=1), replace(B, role="member", copies=1), C)
    assert data.reconcile(given, (A, B, C)) == (A, B, C)


def test_a_new_record_keeps_its_role() -> None:
    """A record that the run does not know, or knows with another text, keeps the role it is given."""
    new = replace(C, text="another")
    assert data.reconcile((new,), (A, B, C)) == (new,)


@pytest.mark.parametrize("record", [replace(A, role="nonmember"), replace(C, role="member")])
def test_contradictions_are_refused(record: Record) -> None:
    """A trained record cannot be audited as a non-member, nor the other way round."""
    with pytest.raises(DataError, match=f"record '{record.id}' is given as a {record.role}"):
        data.reconcile((record,), (A, B, C))
