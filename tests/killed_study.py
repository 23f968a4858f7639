"""A study whose process is killed with kill -9 again and again: python killed_study.py STUDY.yaml FOLDER.

The killed processes are children of one process (`main`) that has everything imported but computed nothing; each of
them kills itself at the first event that none before it died of. What happened is written to FOLDER/ledger.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import re
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mnemoscope

FIRST, SECOND = "q-r2-x1-s13", "v-r2-x4-s13-p3"
MAY_DIFFER = ("timings.json", "status.json", ".lock")


@dataclass
class Killed:
    """What the processes of a study did and died of, in order."""

    kills: list[str] = field(default_factory=list)
    """What each was doing when it killed itself."""
    signals: list[int] = field(default_factory=list)
    """The signal that ended each."""
    steps: list[list[tuple[str, int]]] = field(default_factory=lambda: [[]])
    """Training steps of each: cell, number."""
    again: list[str] = field(default_factory=list)
    """Stages that were begun although the manifest called them finished."""
    unequal: list[str] = field(default_factory=list)
    """Files that were not as in the study that was not killed, even if they were made again later."""
    failed: list[str] = field(default_factory=list)
    """Cells that were recorded as failed."""
    codes: list[int] = field(default_factory=list)
    """How processes ended that did not kill themselves."""


class Ledger:
    """A file of events that outlives the processes that write it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, kind: str, *what: object) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps([kind, *what]) + "\n")

    def lines(self) -> list[list[Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []

    def die(self, label: str) -> None:
        """Kill this process, where none before it was killed here."""
        if ["kill", label] not in self.lines():
            self.write("kill", label)
            os.kill(os.getpid(), signal.SIGKILL)

    def read(self) -> Killed:
        found = Killed()
        for kind, *what in self.lines():
            match kind:
                case "kill":
                    found.kills.append(what[0])
                    found.steps.append([])
                case "step":
                    found.steps[-1].append((what[0], what[1]))
                case _:
                    getattr(found, kind).append(what[0])
        return found


def watch_runs(ledger: Ledger, out: Path, whole: Path) -> None:
    """Kill inside every write of a file, and between the files of a stage and the manifest that tells of them.

    The first cell dies in its files and the second between them and the manifest; the study in both.
    """
    from mnemoscope.store import Run

    whole_writing, whole_stage = Run.writing, Run.stage

    @contextmanager
    def writing(run: Run, name: str) -> Iterator[Path]:
        with whole_writing(run, name) as half:
            yield half
            goal = run.path(name)
            place = goal.relative_to(out).as_posix()
            if goal.suffix != ".json" and files(half) != files(whole / place):  # manifests grow
                ledger.write("unequal", place)
            if SECOND not in place and (not goal.exists() or goal.is_dir() or goal.suffix == ".json"):
                ledger.die(f"{'over' if goal.exists() else 'half'} {place}")

    def stage(run: Run, name: str, inputs: Any, files: Any, make: Callable[[], None], *, units: int = 0) -> bool:
        place = f"{run.folder.relative_to(out).as_posix()}: {name}"

        def work() -> None:
            manifest = run.path("manifest.json")  # a new run has none yet
            if manifest.exists() and name in json.loads(manifest.read_text())["stages"]:
                ledger.write("again", place)
            make()
            if FIRST not in place:
                ledger.die(f"whole {place}")

        return whole_stage(run, name, inputs, files, work, units=units)

    Run.writing, Run.stage = writing, stage


def watch_training(ledger: Ledger) -> None:
    """Kill in a step, and in the middle of a checkpoint: one file of it is there by half."""
    import peft.peft_model
    import torch
    from transformers.trainer_callback import TrainerState

    from mnemoscope.models.callbacks import Progress

    whole_step = Progress.on_step_end

    def on_step_end(progress: Any, args: Any, state: Any, control: Any, **rest: Any) -> None:
        cell = Path(args.output_dir).parent.name
        ledger.write("step", cell, state.global_step)
        whole_step(progress, args, state, control, **rest)
        if state.global_step == 3:
            ledger.die(f"step {cell}")

    def torn(save: Callable[..., None], at: int) -> Callable[..., None]:
        def half(*args: Any, **rest: Any) -> None:
            save(*args, **rest)
            path = Path(args[at])
            if path.parent.name.startswith("checkpoint-"):
                size = path.stat().st_size
                os.truncate(path, size // 2)
                ledger.die(f"torn {path.name}")
                save(*args, **rest)
                assert path.stat().st_size == size

        return half

    Progress.on_step_end = on_step_end
    torch.save = torn(torch.save, 1)
    peft.peft_model.safe_save_file = torn(peft.peft_model.safe_save_file, 1)
    TrainerState.save_to_json = torn(TrainerState.save_to_json, 1)


def watch_checkpoints(ledger: Ledger) -> None:
    """Kill after moves inside the folder of checkpoints, and around its end.

    What the first cell keeps of its checkpoints is needed again, so it dies before they go; the second dies while they
    go, one file of each left, and begins anew.
    """
    whole_rmtree = shutil.rmtree

    def rmtree(path: Any, *args: Any, **rest: Any) -> None:
        inside = re.search(r"/\.checkpoints-[^/]*(.*)", str(path))
        if inside and Path(path).is_dir() and (SECOND in str(path) or inside[1].startswith("/")):
            label = f"removing {inside[1].removeprefix('/') or 'checkpoints'}"
            if ["kill", label] not in ledger.lines():
                for file in Path(path).rglob("*"):
                    if file.is_file() and file.name != "trainer_state.json":
                        file.unlink()
            ledger.die(label)
        whole_rmtree(path, *args, **rest)

    def moving(move: Callable[..., None]) -> Callable[..., None]:
        def die_around(source: Any, goal: Any, **rest: Any) -> None:
            inside = re.search(r"/\.checkpoints-[^/]*(.*)", str(source))
            if inside and not inside[1] and FIRST in str(source):
                ledger.die("before the checkpoints go")
            move(source, goal, **rest)
            if inside and (inside[1] or SECOND in str(source)):
                ledger.die(f"moved {inside[1].removeprefix('/') or 'checkpoints'} to {Path(goal).name[:12]}")

        return die_around

    shutil.rmtree = rmtree
    os.replace, os.rename = moving(os.replace), moving(os.rename)


def draw_nothing() -> None:
    """Pictures take most of the time of a tiny study, and are drawn from what is compared here anyway."""
    import vl_convert

    vl_convert.vegalite_to_svg = lambda *_, **__: "<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>"


def import_all() -> None:
    """Once, not once a process; the last of them are imported by mnemoscope only where they are used."""
    ours = (module.name for module in pkgutil.walk_packages(mnemoscope.__path__, "mnemoscope."))
    late = ("datasketch", "rapidfuzz", "sacrebleu")
    for name in (*ours, *late):
        if not name.startswith(("mnemoscope.executors.", "mnemoscope.__main__")):
            importlib.import_module(name)
    gc.freeze()


def child(work: Callable[[], object]) -> int:
    """Run `work` in a forked process; gives the status it ended with."""
    process = os.fork()
    if process:
        return os.waitpid(process, 0)[1]
    try:
        work()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def main(file: Path, folder: Path) -> None:
    """Run the study whole, then killed until it is done; the ledger is written to folder/ledger."""
    import torch

    torch.set_num_threads(1)
    draw_nothing()
    import_all()
    ledger = Ledger(folder / "ledger")

    def whole() -> None:
        mnemoscope.study(file, out=folder / "whole")

    def killed() -> None:
        out = folder / "killed"
        watch_runs(ledger, out, folder / "whole")
        watch_training(ledger)
        watch_checkpoints(ledger)
        for cell in mnemoscope.study(file, out=out).failed:
            ledger.write("failed", cell)

    assert child(whole) == 0
    status = child(killed)
    while os.WIFSIGNALED(status):
        ledger.write("signals", os.WTERMSIG(status))
        status = child(killed)
    ledger.write("codes", os.waitstatus_to_exitcode(status))


def files(folder: Path) -> dict[str, bytes]:
    """What must be equal in equal studies: the files of a folder, or one file."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in ([folder] if folder.is_file() else sorted(folder.rglob("*")))
        if path.is_file() and path.name not in MAY_DIFFER
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
