"""Anything -> what JSON can hold, without places on this machine."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

_ROOTED = re.compile(r"^(?:file:|[~/\\]|\.\.?[/\\]|[A-Za-z]:[/\\])")
_IN_SENTENCE = re.compile(r"(?<![\w:/\\.~-])(?:file:/*|~?/|\.\.?/|[A-Za-z]:\\|\\\\)[^\s'\"<>,;()]*[/\\][^\s'\"<>,;()]*")
_SUFFIXED = re.compile(r"\.(?:jsonl?|csv|tsv|txt|parquet|gguf|safetensors|ya?ml|arrow)(?:\.gz|\.zst)?$", re.IGNORECASE)


def plain(thing: Any) -> Any:
    """`thing` as dict, list, str, int, float, bool or None; a number that is not finite becomes None."""
    if isinstance(thing, Mapping):
        return {str(key): plain(value) for key, value in thing.items()}
    if isinstance(thing, np.generic | np.ndarray):
        return plain(thing.tolist())
    if isinstance(thing, list | tuple):
        return [plain(value) for value in thing]
    if isinstance(thing, set | frozenset):
        return sorted((plain(value) for value in thing), key=str)
    if thing is None or isinstance(thing, bool | int):
        return thing
    if isinstance(thing, float):
        return thing if math.isfinite(thing) else None
    return thing.name if isinstance(thing, PurePath) else homeless(str(thing))


def homeless(text: str) -> str:
    """`text` with every path cut to its last part: folders name people and projects.

    A hub name such as "org/model" stays.

    >>> homeless("/home/ann/notes.jsonl"), homeless("org/model"), homeless("see ~/ann/notes.csv")
    ('notes.jsonl', 'org/model', 'see notes.csv')
    """
    if _ROOTED.match(text) and "\n" not in text and not _is_prose(text):
        return _last(text)
    if not re.search(r"\s", text) and "://" not in text and (text.count("/") > 1 or _SUFFIXED.search(text)):
        return _last(text)
    return _IN_SENTENCE.sub(lambda found: _last(found.group()), text)


def _is_prose(text: str) -> bool:
    return ": " in text or text.count(" ") > 6


def _last(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]
