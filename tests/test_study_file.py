"""The study file: every fault with its place, and the grid it stands for."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from mnemoscope.config import Training
from mnemoscope.errors import ConfigError
from mnemoscope.grid import cells, spellings
from mnemoscope.models import parse_matrices
from mnemoscope.study_file import Study, read_study, schema

LEAST = {"name": "s", "model": "m", "grid": [{"matrices": "v"}]}
SHIPPED = sorted((Path(__file__).parents[1] / "studies").glob("*.yaml"))


def grid(**parts):
    """The cells of a study with these parts."""
    study = Study.model_validate({**LEAST, **parts})
    return cells(study, {text: parse_matrices(text) for text in spellings(study)})


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
    found = cells(study, {text: parse_matrices(text) for text in spellings(study)})
    assert len({cell.id for cell in found}) == len(found) > 1
    jsonschema.validate(yaml.safe_load(path.read_text()), schema())


def test_all_faults_in_one_message_with_their_places(tmp_path):
    """Unknown keys, wrong values and missing parts, each with its path, what it got and what is known."""
    said = refusal(
        tmp_path, "name: a b\nfoo: 1\nrules: {level: 2}\ngrid:\n  - {matrices: v, rank: [4, 0, x], wibble: 1}\n"
    )
    assert "\n" not in said
    for part in (
        "name 'a b'", "model: field required", "foo: extra inputs", "rules.level 2", "grid[0].rank[1] 0",
        "grid[0].rank[2] 'x'", "grid[0].wibble: extra inputs are not permitted (known: seeds,",
    ):  # fmt: skip
        assert part in said, part


@pytest.mark.parametrize("text", ["", "- 1", "just words", "a: [", "name: !!python/object:os.system {}"])
def test_what_is_no_study_is_refused_in_one_line(tmp_path, text):
    """Also YAML that would make Python objects: nothing in a file is ever run."""
    assert "\n" not in refusal(tmp_path, text)


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
    given = schema()
    parts = [given, *given["$defs"].values()]
    fields = [field for part in parts for field in part.get("properties", {}).values()]
    # a part of its own is described where it is defined
    assert all("description" in field or "$ref" in field for field in fields)
    assert all("description" in part for part in parts)
    json.dumps(given)
