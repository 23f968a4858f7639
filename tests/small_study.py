"""The study file of a test, and the records it is run on."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any


def write_pairs(path: Path, n: int = 64) -> Path:
    """`n` records of random letters, two a group, half of the groups for training."""
    draw = random.Random(1)
    rows = [
        {
            "id": f"n{i}", "group": f"g{i // 2}", "split": ("train", "dev", "train", "test")[i // 2 % 4],
            "text": "".join(draw.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(24)),
        }
        for i in range(n)
    ]  # fmt: skip
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_study(folder: Path, study: dict[str, Any], model: Path) -> Path:
    """The study as a file in `folder`, on pairs of records beside it."""
    path, texts = folder / "study.yaml", write_pairs(folder / "notes.jsonl")
    path.write_text(json.dumps({**study, "model": str(model), "data": {"source": str(texts)}}), encoding="utf-8")
    return path
