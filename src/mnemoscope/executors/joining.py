"""Finding Ray, joining a cluster or starting one on this machine, and whether a cell fits anywhere."""

from __future__ import annotations

import importlib
import logging
import os
import socket
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mnemoscope.errors import ConfigError

REACH = 5.0
"""Seconds to wait for an address to answer; Ray itself would try for minutes."""


def find_ray(retries: int) -> None:
    """Import Ray, with settings that it reads only then; what the user's environment says goes before.

    Raises:
        ConfigError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray would report to its makers
    os.environ.setdefault("RAY_task_oom_retries", str(retries))  # Ray would try for ever what needs too much memory
    os.environ.setdefault("RAY_prestart_worker_first_driver", "0")  # Ray would start a process a CPU that no cell uses
    try:
        importlib.import_module("ray")
    except ImportError as error:
        raise ConfigError(
            "the ray executor needs Ray, which is not installed. Run: pip install 'mnemoscope[ray]'"
        ) from error


@contextmanager
def joined(address: str | None) -> Iterator[None]:
    """A connection to the cluster at `address`, or to a Ray on this machine alone that ends with it.

    Where this process is connected already that connection is used, and left as it is.

    Raises:
        ConfigError: nothing answers at the address, or it is not a cluster that this process can join.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    with tempfile.TemporaryDirectory(prefix="mnemoscope-", dir=_short(), ignore_cleanup_errors=True) as private:
        _join(address, Path(private))
        try:
            yield
        finally:
            ray.shutdown()


def _join(address: str | None, private: Path) -> None:
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address is None:  # Ray's own folder is open to everybody; records and logs lie below one that is not
        folder = str(private / "ray")
        ray.init(address="local", num_cpus=_cpus(), include_dashboard=False, _temp_dir=folder, **quiet)
        return
    try:
        _reach(address)
        ray.init(address=address, **quiet)
    except (OSError, ValueError, RuntimeError) as error:
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f"cannot join the Ray cluster at {address}: {why} "
            "Start one with `ray start --head`, or leave the address out to use this machine alone."
        ) from error


def _short() -> str | None:
    return "/tmp" if Path("/tmp").is_dir() else None  # sockets lie below, and their paths are limited to 107 bytes


def _cpus() -> int | None:
    """CPUs that this process may use, a scheduler's binding included; None lets Ray count (it minds containers)."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    bound = len(os.sched_getaffinity(0))
    return bound if bound < (os.cpu_count() or bound) else None


def _reach(address: str) -> None:
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=REACH).close()


def nodes() -> list[dict[str, Any]]:
    """The machines that the cluster has or had, as Ray tells them: Alive, and Resources such as CPU and GPU."""
    import ray

    return list(ray.nodes())  # type: ignore[no-untyped-call]


def fits(machines: Sequence[Mapping[str, Any]], cpus: float, gpus: float) -> bool:
    """Whether at least one living machine could hold one cell, were it idle; `machines` as from nodes()."""
    return any(have >= cpus and gpu >= gpus for have, gpu in _alive(machines))


def check_room(machines: Sequence[Mapping[str, Any]], cpus: float, gpus: float) -> None:
    """Refuse what no machine can hold, because Ray would wait for one without a word.

    A cluster that grows by itself counts with the machines that it has now: what it could start is not told to drivers.

    Raises:
        ConfigError: no machine can hold a cell, or a cell asks for one GPU and a part of another.
    """
    if gpus > 1 and gpus != int(gpus):
        raise ConfigError(f"a cell asks for {gpus:g} GPUs: above one, only whole numbers can be given out")
    if fits(machines, cpus, gpus):
        return
    have = Counter(_amount(*machine) for machine in _alive(machines))
    there = "; ".join(f"{count} x {amount}" for amount, count in have.items())
    raise ConfigError(
        f"a cell asks for {_amount(cpus, gpus)}, which no machine of the cluster has ({there or 'it has none'}). "
        "Lower cpus or gpus under resources in the study file, or start a machine that has them first."
    )


def _alive(machines: Sequence[Mapping[str, Any]]) -> list[tuple[float, float]]:
    resources = [machine["Resources"] for machine in machines if machine["Alive"]]
    return [(have.get("CPU", 0.0), have.get("GPU", 0.0)) for have in resources]


def _amount(cpus: float, gpus: float) -> str:
    return f"{cpus:g} CPU{'s' * (cpus != 1)} and {gpus:g} GPU{'s' * (gpus != 1)}"
