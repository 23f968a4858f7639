"""A driver to be killed or interrupted: python driver_of_tests.py FOLDER runs two cells that never end, at once.

Its processes import this file first; they wait in it for the file FOLDER/go.
"""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import cells_of_tests

from mnemoscope.errors import Interrupted
from mnemoscope.executors import Event, run_in_processes


def main(marks: str) -> None:
    """Print each event's cell, and `stopped` at Ctrl-C."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests may run where Ctrl-C is ignored
    given = {"marks": marks, "a": "endless", "b": "training"}

    def told(event: Event) -> None:
        print(event.cell, flush=True)

    try:
        run_in_processes(["a", "b", "never"], cells_of_tests.behave, given, told, jobs=2, retries=5)
    except (Interrupted, KeyboardInterrupt):
        print("stopped", flush=True)
        sys.exit(130)


def start(folder: Path) -> None:
    """Wait to be let go on, not for ever."""
    (folder / "starting").touch()
    deadline = time.monotonic() + 60
    while not (folder / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.01)


if __name__ == "__mp_main__":
    start(Path(sys.argv[1]))
if __name__ == "__main__":
    main(sys.argv[1])
