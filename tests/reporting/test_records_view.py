"""The section on records: its columns, its order, its names, and the opened records."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("altair")
pytest.importorskip("jinja2")

from records_sample import N, known_of, table_of, traced

from mnemoscope.records import Evidence, Record
from mnemoscope.reporting import record_hashes
from mnemoscope.reporting.exposed import SIDES, first_rows
from mnemoscope.reporting.opened import QUANTUM, TOKENS, UNKNOWN, Known, opened, quantised
from mnemoscope.reporting.visible import common_run, visible
from mnemoscope.reporting.wording import number, percent
from mnemoscope.steps import outputs


@pytest.fixture(scope="module")
def known(evidence: Evidence) -> Known:
    """Traces of target and reference and the sensitive values."""
    return known_of(evidence)


# The columns


def test_columns_are_the_scores_and_extractions(evidence: Evidence) -> None:
    """Each row holds the numbers of its record, rounded as they are shown."""
    table, found = table_of(evidence)
    names = record_hashes(evidence.records)
    width = len(found["hash"]) // len(evidence.records)
    rows = {(row.id, row.model): row for row in evidence.extractions if row.prefix == "0.5"}
    for at, i in enumerate(table.order):
        record = evidence.records[i]
        ours, base = rows[record.id, "target"], rows[record.id, "reference"]
        score = evidence.scores["lr_ratio"][i]
        assert found["hash"][at * width : (at + 1) * width] == names[record.id]
        side = "planted" if record.copies > 1 else {"member": "training"}.get(record.role, "held out")
        assert SIDES[int(found["side"][at])] == side
        assert found["score"][at] is None if score is np.ma.masked else float(number(score)) == found["score"][at]
        assert [found[name][at] for name in ("matched", "suffix", "hit", "values", "base", "copies", "characters")] == [
            ours.matched_tokens, ours.suffix_tokens, ours.spans_hit, ours.spans_in_suffix, base.matched_tokens,
            record.copies, len(record.text),
        ]  # fmt: skip
        assert found["tokens"][at] == ours.prefix_tokens + ours.suffix_tokens
        assert found["recheck"][at] == str(int(ours.rechecked))
    assert found["score"].count(None) == 1


def test_records_stand_by_what_came_back_then_score_then_hash(evidence: Evidence) -> None:
    """The order is by matched share, then the exact score, unscored last, then hash."""
    tied = {"lr_ratio": np.ma.round(evidence.scores["lr_ratio"], 1)}
    table, _ = table_of(replace(evidence, scores=tied))
    share = table.facts["matched_tokens"] / table.facts["suffix_tokens"]
    keys = [(-s, -x if x == x else np.inf, name) for s, x, name in zip(share, table.score, table.hashes, strict=True)]
    assert keys == sorted(keys)
    assert len({key[:2] for key in keys}) < len(keys)  # the hash did decide


def test_percentile_counts_held_out_records(evidence: Evidence) -> None:
    """The share of held-out records that score as high or higher, against a slow twin; equal scores count."""
    rounded = {"lr_ratio": np.ma.round(evidence.scores["lr_ratio"], 1)}
    evidence = replace(evidence, scores=rounded)
    table, found = table_of(evidence)
    column = rounded["lr_ratio"]
    held = [column[i] for i, record in enumerate(evidence.records) if record.role == "nonmember"]
    rows = first_rows(table)
    for at, i in enumerate(table.order):
        as_high = None if column[i] is np.ma.masked else sum(bool(other >= column[i]) for other in held)
        expected = "–" if as_high is None else percent(as_high / len(held))
        assert found["shares"][found["asHigh"][at]] == expected
        assert at >= len(rows) or rows[at]["as_high"] == expected


def test_what_was_not_measured_is_a_dash(evidence: Evidence, known: Known) -> None:
    """A record that was not cut stands last, with the tokens of its trace and without numbers."""
    last = evidence.records[0].id
    some = replace(evidence, extractions=[row for row in evidence.extractions if row.id != last])
    table, found = table_of(some, known)
    assert evidence.records[table.order[-1]].id == last
    assert [found[name][-1] for name in ("matched", "base", "values")] == [-1, -1, -1]
    assert found["tokens"][-1] == N
    bare, found = table_of(replace(evidence, extractions=[], scores={}))
    assert (bare.prefix, bare.attack) == (None, None)
    assert {row["matched"] for row in first_rows(bare)} == {row["score"] for row in first_rows(bare)} == {"–"}
    assert set(found["tokens"]) == {-1}


# The names


def test_names_are_keyed_by_all_of_the_data(evidence: Evidence) -> None:
    """Equal data, equal names; one other text, and every name is another; a plain hash of the id is no name."""
    names = record_hashes(evidence.records)
    assert names == record_hashes(list(evidence.records))
    assert list(names) == [record.id for record in evidence.records]
    changed = [*evidence.records[:-1], replace(evidence.records[-1], text="another text")]
    assert not set(names.values()) & set(record_hashes(changed).values())
    for identity, name in names.items():
        plain = (kind(identity.encode()).hexdigest() for kind in (hashlib.sha256, hashlib.blake2b, hashlib.md5))
        keyed = hashlib.blake2b(identity.encode(), key=evidence.data.sha256.encode()).hexdigest()
        assert not any(one.startswith(name) for one in (*plain, keyed))


def test_the_map_leads_from_every_name_to_its_id(evidence: Evidence) -> None:
    """hashes.csv has each record once, whatever signs its id has."""
    odd = ("a,b", 'say "id"', "two\nlines", " blank ", "=1+1", "é")
    records = [replace(record, id=identity) for record, identity in zip(evidence.records, odd, strict=False)]
    found = list(csv.reader(io.StringIO(outputs.hash_table(records), newline="")))
    assert found[0] == ["hash", "id"]
    assert {identity: name for name, identity in found[1:]} == record_hashes(records)


def test_names_grow_until_they_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where short names collide, all get longer, as far as they must."""
    monkeypatch.setattr("mnemoscope.reporting.hashes.FIRST", 1)
    records = [Record(str(i), f"text {i}", str(i), "member", "train") for i in range(40)]
    names = list(record_hashes(records).values())
    assert len(set(names)) == 40
    (length,) = {len(name) for name in names}
    assert length > 1
    assert len({name[: length - 1] for name in names}) < 40


def test_ids_and_texts_are_not_run_together() -> None:
    """A letter that moves from an id to a text makes other data."""
    one, other = (
        record_hashes([Record(identity, text, "g", "member", "train"), Record("z", "z", "g", "member", "train")])["z"]
        for identity, text in (("ab", "c"), ("a", "bc"))
    )
    assert one != other


# The opened records


def test_changes_are_target_minus_reference(evidence: Evidence, known: Known) -> None:
    """Every change is within half a step of the difference of the log-probabilities; spans lie on their tokens."""
    table, _ = table_of(evidence, known)
    rows = opened(evidence, table, known, show_text=False)["rows"]
    assert len(rows) == len(evidence.records)
    assert known.target is not None
    assert known.reference is not None
    for at, row in enumerate(rows):
        i = int(table.order[at])
        steps = np.frombuffer(base64.b64decode(row["change"]), dtype=np.int8)
        truth = known.target.tokens("logprob", i).astype(float) - known.reference.tokens("logprob", i).astype(float)
        assert np.abs(steps * QUANTUM - np.clip(truth, -12.7, 12.7)).max() <= QUANTUM / 2 + 1e-9
        assert (row["from"], row["given"]) == (0, 18)
        ends = [0, *known.target.tokens("char_end", i).tolist()]
        (span,), (kind, first, last, *_) = evidence.records[i].spans, row["spans"][0]
        assert kind == 0
        assert ends[first] <= span.start < ends[first + 1]
        assert ends[last - 1] < span.end <= ends[last]


def test_a_change_that_is_no_number_is_unknown() -> None:
    """What cannot be subtracted is told apart from no change, and what is too large from what is larger still."""
    ours, base = np.array([-np.inf, 0.0, -np.inf, -1.0, -3.04]), np.array([-np.inf, -np.inf, -2.0, -99.0, -3.0])
    assert quantised(ours, base).tolist() == [UNKNOWN, 127, -127, 127, 0]


def test_ranks_and_hits_of_values(evidence: Evidence, known: Known) -> None:
    """A value shows greedy hit, rank and gain of its row on file."""
    table, _ = table_of(evidence, known)
    found = opened(evidence, table, known, show_text=False)
    assert found["types"] == ["age"]
    place = {evidence.records[i].id: at for at, i in enumerate(table.order)}
    for leak in known.spans:
        (row,) = found["rows"][place[leak.id]]["spans"]
        assert row[3:] == [int(leak.greedy), 0, leak.rank, leak.rank_reference, leak.candidates, 2.5]


def test_long_records_show_the_tokens_around_the_cut(evidence: Evidence) -> None:
    """Of a long record a window of TOKENS tokens is kept, with the cut in it, and where it begins is told."""
    some = replace(evidence, records=evidence.records[:3])
    tokens = 3 * TOKENS
    rows = [
        replace(row, prefix_tokens=cut, suffix_tokens=tokens - cut)
        for row, cut in zip(
            (row for row in evidence.extractions if row.prefix == "0.5" and row.model == "target"),
            (1, tokens // 2, tokens - 1),
            strict=False,
        )
    ]
    some = replace(some, extractions=rows, scores={})
    long = Known(*(traced(some.records, name, tokens) for name in ("target", "reference")))
    table, _ = table_of(some, long)
    for row in opened(some, table, long, show_text=False)["rows"]:
        assert len(base64.b64decode(row["change"])) == TOKENS
        assert row["from"] <= row["given"] <= row["from"] + TOKENS <= tokens + TOKENS
        assert 0 <= row["from"] <= tokens - TOKENS


def test_what_the_model_wrote(evidence: Evidence) -> None:
    """A continuation tells its length and the longest run it has in common with the rest, and where."""
    table, _ = table_of(evidence)
    rows = opened(evidence, table, Known(), show_text=True)["rows"]
    texts = {one.id: one.text for one in evidence.generations}
    for at, i in enumerate(table.order):
        record = evidence.records[i]
        for one in rows[at]["written"]:
            start, place, length = one["run"]
            assert texts[record.id][start : start + length] == record.text[place : place + length]
            assert length >= len("a 54-year-old woman took lamotrigine")
            assert "".join(one["text"]) == texts[record.id]
            assert one["characters"] == len(texts[record.id])


@pytest.mark.parametrize(
    ("one", "other"), [("", "abc"), ("abc", "xyz"), ("xabcy", "zabcw"), ("aaaa", "aa"), ("ab", "ba")]
)
def test_common_run_against_all_pairs(one: str, other: str) -> None:
    """The run is common, and no longer one is."""
    start, place, length = common_run(one, other)
    assert one[start : start + length] == other[place : place + length]
    longest = max((j - i for i in range(len(one) + 1) for j in range(i, len(one) + 1) if one[i:j] in other), default=0)
    assert length == longest


def test_text_is_parted_where_the_traces_say(evidence: Evidence, known: Known) -> None:
    """The pieces of a shown record together are its text; without traces the text stands whole."""
    table, _ = table_of(evidence, known)
    rows = opened(evidence, table, known, show_text=True)["rows"]
    bare = opened(evidence, table, Known(), show_text=True)["rows"]
    for at, i in enumerate(table.order):
        record = evidence.records[i]
        assert "".join(rows[at]["pieces"]) == record.text
        assert rows[at]["found"] == [record.text[span.start : span.end] for span in record.spans]
        assert bare[at]["whole"] == record.text
        assert "pieces" not in bare[at]
        assert bare[at]["change"] is None


def test_marks_that_reorder_are_named() -> None:
    """A direction mark is shown by its code; joiners inside emoji and letters stay."""
    assert visible("a\u202eb\x00\ud800") == "a⟨U+202E⟩b⟨U+0000⟩⟨U+D800⟩"
    assert visible("👩\u200d⚕️\n") == "👩\u200d⚕️\n"
