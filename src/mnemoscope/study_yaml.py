"""From a YAML file to a study: all that is wrong with it in one line, each fault with its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from mnemoscope.errors import ConfigError, unknown
from mnemoscope.faults import Fault, faults_of
from mnemoscope.study_file import Block, Data, Extraction, Recipe, Resources, Rules, Study, Where

PARTS: Mapping[str, type[BaseModel]] = {
    "data": Data, "training": Recipe, "rules": Rules, "grid": Block, "extraction": Extraction, "compute": Where,
    "resources": Resources,
}  # fmt: skip
"""What stands under a key of a study."""


def read_study(path: Path) -> Study:
    """The study in a YAML file.

    Raises:
        ConfigError: it cannot be read, or something in it is not allowed; all faults in one message.
    """
    given = _parsed(Path(path))
    if not isinstance(given, Mapping):
        raise ConfigError(f"{Path(path).name} holds no study: it needs at least name, model and grid")
    try:
        return Study.model_validate(given)
    except ValidationError as error:
        raise ConfigError(f"{Path(path).name}: {_told(error)}") from None


def _parsed(path: Path) -> Any:
    """What the file holds, by YAML 1.2, where 3e-3 is a number; a key that stands twice is refused."""
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))  # safe: makes no Python objects
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}. Give a study file, such as studies/quick.yaml") from None
    except MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ConfigError(f"{path.name} is no YAML: {where}{error.problem}") from None
    except (UnicodeDecodeError, YAMLError) as error:
        raise ConfigError(f"{path.name} is no YAML: {' '.join(str(error).split())}") from None


def _told(error: ValidationError) -> str:
    """All faults; of a key that is not known, the nearest one and all that are."""
    # a list is too short as well where its items were refused one by one
    found = [fault for fault in faults_of(error) if fault.kind != "too_short" or not fault.got]
    return "; ".join(_unknown(fault) if fault.kind == "extra_forbidden" else str(fault) for fault in found)


def _unknown(fault: Fault) -> str:
    part = PARTS.get(str(fault.loc[0]), Study) if len(fault.loc) > 1 else Study
    return f"{fault.place}: {unknown('key', str(fault.loc[-1]), part.model_fields)}"
