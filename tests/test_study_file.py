"""The study file: every fault with its place, and the grid it stands for."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from mnemoscope.config import Training
from mnemoscope.errors import ConfigError
from mnemoscope.grid import cells
from mnemoscope.study_file import Study, schema
from mnemoscope.study_yaml import read_study

LEAST = {"name": "s", "model": "m", "grid": [{"matrices": "v"}]}
SHIPPED = sorted((Path(__file__).parents[1] / "studies").glob("*.yaml"))


def grid(**parts):
    """The cells of a study with these parts."""
    study = Study.model_validate({**LEAST, **parts})
    return cells(study)


def refusal(tmp_path, text):
    """What is said of a study file that is wrong."""
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        read_study(path)
    return str(error.value)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_studies_are_right(path):
    """They open, their cells have names of their own, and an editor accepts them too."""
    study = read_study(path)
    found = cells(study)
    assert len({cell.id for cell in found}) == len(found) > 1
    jsonschema.validate(YAML(typ="safe").load(path), schema())


def test_all_faults_in_one_message_with_their_places(tmp_path):
    """Unknown keys, wrong values and missing parts, each with its path, what it got and what is known."""
    said = refusal(
        tmp_path,
        "name: a b\nfoo: 1\nrules: {level: 2}\ngrid:\n  - {matrices: v, rank: [4, 0, x], learning-rate: 1, lr: 1}\n",
    )
    assert "\n" not in said
    for part in (
        "name 'a b'",
        "model: field required",
        "foo: unknown key 'foo'. Known: attacks,",
        "rules.level 2",
        "grid[0].rank[1] 0",
        "grid[0].rank[2] 'x'",
        "grid[0].lr: unknown key 'lr'",
        "grid[0].learning-rate: unknown key 'learning-rate'. Did you mean 'learning_rate'? Known: alpha,",
    ):
        assert part in said, part


def test_every_word_is_judged_in_its_place_with_all_else(tmp_path):
    """Matrices, attacks, prefixes, decodings and where to compute: nothing waits until the rest is right."""
    said = refusal(
        tmp_path,
        """
        name: s
        model: m
        wibble: 1
        training: {matrices: z}
        grid:
          - {matrices: [v, qx], rank: 0}
          - {matrices: "", generations: few, rank: []}
        attacks: [loss, los, lira, all]
        extraction: {prefixes: ["1.5", 0.5], decodings: [greedy, t1k], generate_with: t0, generations: 3}
        compute: {dtype: fp32, device: gpu}
        rules: {attack: learned, level: 2}
        """,
    )
    for part in (
        "wibble: unknown key 'wibble'",
        "training.matrices 'z': 'z' is no matrix",
        "grid[0].matrices[1] 'qx': 'x' is no matrix",
        "grid[0].rank[0] 0:",
        "grid[1].matrices[0] '':",
        "grid[1].generations 'few': is not allowed",
        "grid[1].rank []:",
        "attacks[1] 'los': unknown attack",
        "attacks[2] 'lira': needs further passes",
        "attacks[3] 'all': needs further passes",
        "extraction.prefixes[0] '1.5': prefix '1.5' is not known",
        "extraction.decodings[0] 'greedy': decoding 'greedy' has no probability in a trace",
        "extraction.decodings[1] 't1k': decoding 't1k' is not known",
        "extraction.generate_with[0] 't0': ",
        "compute.dtype 'fp32': ",
        "compute.device 'gpu': is no device",
        "rules.attack 'learned': is fitted",
        "rules.level 2:",
    ):
        assert part in said, part
    assert "\n" not in said
    assert "extraction.generations" not in said  # a number is as good as "3"


def test_what_is_wrong_together_is_told_with_all_else(tmp_path):
    """Options that exclude one another, each with the block where they meet."""
    said = refusal(
        tmp_path,
        """
        name: s
        model: m
        training: {batch_size: 16}
        rules: {attack: in_domain_ratio}
        grid:
          - {matrices: [v, q], every_epoch: true}
          - {matrices: q, micro_batches: [3, 4], batch_size: [32, 15]}
          - {matrices: o, micro_batches: 4}
        extraction: {prefixes: []}
        """,
    )
    assert said.removeprefix("study.yaml: ").split("; ") == [
        "grid[1]: --micro-batches 3 must divide --batch-size 32",
        "grid[1]: --micro-batches 4 must divide --batch-size 15",
        "grid[0].every_epoch True: leave it out, in_domain_ratio is measured at the end alone",
        "extraction.prefixes []: is empty: give a fraction such as 0.5 or a token count such as 25t",
    ]
    beside = refusal(
        tmp_path,
        """
        name: s
        model: m
        rules: {attack: in_domain_ratio}
        grid: [{matrices: x, lr: 1}, {micro_batches: 3, every_epoch: true}]
        """,
    )
    for part in (
        "grid[0].matrices[0] 'x': ",
        "grid[0].lr: unknown key 'lr'",
        "grid[1]: --micro-batches 3",
        "grid[1].every_epoch",
    ):
        assert part in beside
    alone = refusal(tmp_path, "{name: s, model: m, training: {batch_size: 16, micro_batches: 3}, grid: [{rank: 1}]}")
    assert alone == "study.yaml: training: --micro-batches 3 must divide --batch-size 16"


@pytest.mark.parametrize("text", ["", "- 1", "just words", "a: [", "name: !!python/object:os.system {}"])
def test_what_is_no_study_is_refused_in_one_line(tmp_path, text):
    """Also YAML that would make Python objects: nothing in a file is ever run."""
    assert "\n" not in refusal(tmp_path, text)


def test_a_key_that_stands_twice_is_refused(tmp_path):
    """The first of two would be lost without a word."""
    said = refusal(tmp_path, "name: s\nmodel: m\ntraining: {epochs: 2}\ngrid: [{matrices: v}]\ntraining: {rank: 4}\n")
    assert "is no YAML: line 5: found duplicate key" in said


def test_numbers_as_yaml_1_2_has_them(tmp_path):
    """What looks like a number is one, with or without a point."""
    path = tmp_path / "study.yaml"
    path.write_text("{name: s, model: m, training: {learning_rate: 3e-3}, grid: [{matrices: o, dropout: 0.0}]}")
    assert read_study(path).training.learning_rate == 0.003


def test_a_missing_file_is_refused(tmp_path):
    """The message names an example."""
    with pytest.raises(ConfigError, match=r"studies/quick\.yaml"):
        read_study(tmp_path / "none.yaml")


def test_every_combination_once():
    """Blocks are products, seed by seed; a cell of two blocks is run once, where it is named first."""
    found = grid(
        seeds=[1, 2],
        grid=[{"matrices": ["q", "v"], "rank": [1, 2]}, {"matrices": "v", "rank": 2, "every_epoch": True, "seeds": 2}],
    )
    assert [cell.id for cell in found] == [
        "q-r1-x1-s1", "q-r2-x1-s1", "v-r1-x1-s1", "v-r2-x1-s1", "q-r1-x1-s2", "q-r2-x1-s2", "v-r1-x1-s2", "v-r2-x1-s2",
    ]  # fmt: skip
    assert [cell.every_epoch for cell in found] == [False] * 7 + [True]


def test_any_option_of_fine_tuning_may_stand_in_the_grid():
    """What differs from the study's own options stands in the name, so that no two cells share one."""
    found = grid(
        training={"epochs": 2},
        grid=[
            {
                "matrices": "qkvo", "rank": 16, "alpha_rule": ["fixed", "rslora"], "learning_rate": [0.001, 0.01],
                "dropout": [0.05, 0.1], "epochs": [2, 5],
            }
        ],
    )  # fmt: skip
    assert len({cell.id for cell in found}) == len(found) == 16
    assert {cell.others for cell in found} == {"", "dropout=0.1"}
    assert "qkvo-r16-x1-s13-rslora-d0.1-e5-lr0.01" in {cell.id for cell in found}


def test_a_cell_is_one_however_its_matrices_are_spelled():
    """Order, commas and repeats mean nothing."""
    found = grid(grid=[{"matrices": ["qv", "v,q", "vqv"]}, {"matrices": "all"}, {"matrices": "o,q,k,v,down,gate,up"}])
    assert [cell.id for cell in found] == ["qv-r8-x1-s13", "qkvogateupdown-r8-x1-s13"]
    assert [cell.training.matrices for cell in found] == ["qv", "qkvogateupdown"]


@given(
    st.lists(
        st.floats(1e-9, 1e9) | st.sampled_from([1e-3, 0.001000000001, 1.0, 1.0000000000000002]), min_size=1, max_size=5
    )
)
def test_two_cells_never_share_a_name(rates):
    """Names hold all digits of what differs."""
    found = grid(grid=[{"matrices": "v", "learning_rate": rates}, {"matrices": "v", "epochs": rates}])
    asked = {("learning_rate", rate) for rate in rates if rate != 1e-3} | {
        ("epochs", rate) for rate in rates if rate != 3
    }
    plain = any(rate == 1e-3 for rate in rates) or any(rate == 3 for rate in rates)
    assert len(found) == len({cell.id for cell in found}) == len(asked) + plain


def test_planting_is_named_only_where_something_is_planted():
    """One copy plants nothing, however many records are to be planted."""
    found = grid(grid=[{"matrices": "v", "copies": [1, 8], "planted": 20}])
    assert [cell.id for cell in found] == ["v-r8-x1-s13", "v-r8-x8-s13-p20"]
    again = grid(grid=[{"matrices": "v", "rank": 8}, {"matrices": "v", "copies": [1, 8], "planted": 20}])
    assert [cell.id for cell in again] == ["v-r8-x1-s13", "v-r8-x8-s13-p20"]


@pytest.mark.parametrize(
    ("rule", "rank", "alpha", "scale"),
    [("fixed", 4, 16, 4), ("fixed", 64, 16, 0.25), ("proportional", 4, 8, 2), ("proportional", 64, 128, 2),
     ("rslora", 4, 16, 8), ("rslora", 64, 16, 2)],
)  # fmt: skip
def test_alpha_by_rule(rule, rank, alpha, scale):
    """fixed: alpha / r; proportional: alpha / 8 at every rank; rslora: alpha / sqrt(r)."""
    training = Training(rank=rank, alpha_rule=rule)
    assert training.lora_alpha == alpha
    assert training.scale == scale


def test_the_schema_describes_every_part():
    """An editor shows a description at every key."""
    whole = schema()
    parts = [whole, *whole["$defs"].values()]
    fields = [field for part in parts for field in part.get("properties", {}).values()]
    # a part of its own is described where it is defined
    assert all("description" in field or "$ref" in field for field in fields)
    assert all("description" in part for part in parts)
    json.dumps(whole)
