"""A run folder: files that appear whole or not at all, and a manifest that says which inputs made them.

A stage is a name, a key (the hash of all its inputs) and the files it wrote. It is skipped when the manifest knows
the key and every file still has the hash it was written with: that is the whole of "resume".
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mnemoscope.errors import RunError

SCHEMA_VERSION = "1"
HALF = ".{}-{}.half"
"""Name of the folder in which a file is written before it is renamed."""
MANIFEST, TIMINGS = "manifest.json", "timings.json"
LOCK = ".lock"
"""Held by the process that writes a study; the system lets go of it when the process ends, however that happens."""


def canonical(value: Any) -> str:
    """JSON with sorted keys: equal values give equal text."""
    return json.dumps(value, sort_keys=True, indent=2, allow_nan=False, ensure_ascii=False) + "\n"


def key_of(value: Any) -> str:
    """SHA-256 of a JSON-ready value."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


class Run:
    """A run folder that belongs to this process."""

    def __init__(self, folder: Path) -> None:
        """Open the folder; it is made, readable by its owner alone, when the first file is written.

        Raises:
            RunError: the folder holds something else, or a run of another schema.
        """
        self.folder = folder
        if folder.exists() and not folder.is_dir():
            raise RunError(f"--out {folder.name} is a file: give a folder")
        if folder.exists() and _others(folder) and not (folder / MANIFEST).is_file():
            raise RunError(f"--out {folder.name} is not empty and holds no run of mnemoscope: give a new folder")
        self.manifest = _read_json(folder / MANIFEST) or {"schema_version": SCHEMA_VERSION, "stages": {}}
        self.timings = _read_json(folder / TIMINGS) or {"stages": {}}
        self._swept = False
        if self.manifest.get("schema_version") != SCHEMA_VERSION:
            raise RunError(f"{folder.name} was written by another version of mnemoscope: give a new folder")

    def path(self, name: str) -> Path:
        """Where the file `name` of this run lies."""
        return self.folder / name

    def note(self, **facts: Any) -> None:
        """Add facts to the manifest."""
        self.manifest.update(facts)
        self.write_json(MANIFEST, self.manifest)

    @contextmanager
    def alone(self, *, wait: bool = False) -> Iterator[None]:
        """Keep the folder for this process; with `wait`, once a process that has it is done.

        Raises:
            RunError: another process has it, and there is no waiting.
        """
        from filelock import FileLock, Timeout  # slow to import, and only a study needs it

        _make(self.folder)
        lock = FileLock(self.path(LOCK), timeout=-1 if wait else 0)
        try:
            lock.acquire()
        except Timeout:
            raise RunError(f"another call is writing {self.folder.name}: wait for it, or give a new --out") from None
        try:
            yield
        finally:
            lock.release()

    def stage(
        self, name: str, inputs: Mapping[str, Any], files: Iterable[str], make: Callable[[], Any], *, units: int = 0
    ) -> bool:
        """Run `make`, which writes `files`, unless an earlier run with equal inputs did. True where it ran.

        Args:
            name: the stage, as the manifest calls it.
            inputs: all that the files depend on, JSON-ready.
            files: what is written; a folder stands for all it holds.
            make: writes the files.
            units: tokens or records, for the rate in timings.json.
        """
        names, key = list(files), key_of(inputs)
        known = self.manifest["stages"].get(name)
        if known and known["key"] == key and self._hashes(names) == known["files"]:
            return False
        self.forget(name)
        start = time.perf_counter()
        make()
        seconds = time.perf_counter() - start
        rate = {"per_second": round(units / seconds, 1), "units": units} if units else {}
        self.timings["stages"][name] = {
            "seconds": round(seconds, 3),
            "finished": time.strftime("%FT%TZ", time.gmtime()),
            **rate,
        }
        self.write_json(TIMINGS, self.timings)  # before the manifest: a kill between the two loses no stage's time
        self.manifest["stages"][name] = {"key": key, "files": self._hashes(names)}
        self.write_json(MANIFEST, self.manifest)
        return True

    def mark(self, name: str, inputs: Mapping[str, Any]) -> None:
        """Note a key that stages can depend on, without files of its own."""
        self.manifest["stages"][name] = {"key": key_of(inputs), "files": {}}

    def holds(self, prefix: str) -> bool:
        """Whether a finished stage's name starts with `prefix`."""
        return any(name.startswith(prefix) for name in self.manifest["stages"])

    def fresh(self, name: str, inputs: Mapping[str, Any]) -> bool:
        """Whether the stage was made from these inputs."""
        known = self.manifest["stages"].get(name)
        return bool(known) and known["key"] == key_of(inputs)

    def intact(self, name: str) -> bool:
        """Whether the stage is finished and its files are as it left them."""
        known = self.manifest["stages"].get(name)
        return bool(known) and self._hashes(known["files"]) == known["files"]

    def forget(self, name: str) -> None:
        """Let the stage run again."""
        self.manifest["stages"].pop(name, None)

    def key(self, name: str) -> str:
        """The key of a finished stage, as an input of the next."""
        return str(self.manifest["stages"][name]["key"])

    def _hashes(self, names: Iterable[str]) -> dict[str, str]:
        found = {}
        for name in names:
            path = self.path(name)
            for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if file.is_file():
                    digest = hashlib.sha256(file.read_bytes()).hexdigest()
                    found[file.relative_to(self.folder).as_posix()] = digest
        return found

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """A path to write to; what stands there afterwards becomes the file or folder `name`, all at once."""
        goal = self.path(name)
        self._sweep()
        for folder in reversed(goal.relative_to(self.folder).parents):
            _make(self.folder / folder)
        prefix, suffix = HALF.format(goal.name, "|").split("|")
        half = Path(tempfile.mkdtemp(prefix=prefix, suffix=suffix, dir=goal.parent))
        try:
            yield half / goal.name
            _own(half / goal.name)
            if goal.is_dir():
                shutil.rmtree(goal)
            (half / goal.name).replace(goal)
        finally:
            shutil.rmtree(half, ignore_errors=True)

    def _sweep(self) -> None:
        """Before the first write: remove what a killed process left half-done, and sign a new folder."""
        if self._swept:
            return
        self._swept = True
        for half in self.folder.rglob(HALF.format("*", "*")):
            shutil.rmtree(half, ignore_errors=True)
        if not (self.folder / MANIFEST).is_file():
            self.write_json(MANIFEST, self.manifest)

    def write_text(self, name: str, text: str) -> None:
        """Write a text file."""
        with self.writing(name) as path:
            path.write_text(text, encoding="utf-8")

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file with sorted keys."""
        self.write_text(name, canonical(value))


def _others(folder: Path) -> bool:
    """Whether the folder holds more than a first write that was killed."""
    return any(path.name != LOCK and not path.match(HALF.format("*", "*")) for path in folder.iterdir())


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # the mode is not for parents
    except OSError as error:
        raise RunError(f"{folder.name} cannot be made ({error.strerror}): give another --out") from None


def _own(path: Path) -> None:
    """Private text lies in these files: the owner alone may read them."""
    for part in [path, *path.rglob("*")] if path.is_dir() else [path]:
        part.chmod(0o700 if part.is_dir() else 0o600)


def _read_json(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(value, dict) or not isinstance(value.get("stages"), dict):
            raise ValueError("another shape")
    except ValueError:
        raise RunError(
            f"{path.parent.name}/{path.name} is not as mnemoscope writes it: delete it, or give a new folder"
        ) from None
    return value
