"""The Ray cluster a run uses: joining one, or starting one in this machine, and what it has room for."""

from __future__ import annotations

import logging
import os
import signal
import socket
from dataclasses import dataclass
from typing import Any

from cambrian_eval.errors import UserError

STORE_BYTES = 512 << 20
"""Object store of a cluster started here; parcels pass through it and are gone when they are read."""


@dataclass(frozen=True, slots=True)
class Room:
    """How many replicas, and what each holds."""

    replicas: int
    gpus: float
    fits: int
    """How many the cluster has room for at this moment."""

    @property
    def text(self) -> str:
        """The room in words, for whoever waits for replicas."""
        each = f"{self.gpus:g} GPU" if self.gpus else "1 CPU slot"
        return f"{self.replicas} replicas of {each} each"


def load_ray() -> Any:
    """The `ray` package, its usage reports switched off; says how to install it where it is missing."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # an evaluation reports to nobody
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise UserError("--engine ray needs Ray, which is not installed: pip install 'cambrian-eval[ray]'") from None
    return ray


def join(ray: Any, address: str | None, replicas: int | None) -> bool:
    """Connects this process; True when it started the cluster and must end it."""
    if ray.is_initialized():
        return False
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    settings: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        slots = max(os.cpu_count() or 1, replicas or 0)
        settings.update(num_cpus=slots, include_dashboard=False, object_store_memory=STORE_BYTES)
    _check_reachable(address)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        ray.init(**settings)
    except Exception as error:
        text = " ".join(str(error).split())[:300]
        raise UserError(
            f"no Ray cluster at {address} ({type(error).__name__}: {text}); check --ray-address, or leave it out "
            "to start one in this machine"
        ) from None
    finally:
        for number, handler in before.items():  # Ray puts its own in, and a run wants to end tidily on both
            if signal.getsignal(number) is not handler and handler is not None:
                _restore(number, handler)
    return address == "local"


def _check_reachable(address: str) -> None:
    """Ray itself would try for minutes to reach a port where nobody listens."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"no Ray cluster answers at {address} ({error}); check --ray-address, or leave it out to start one in "
            "this machine"
        ) from None


def _restore(number: int, handler: Any) -> None:
    try:
        signal.signal(number, handler)
    except ValueError:  # only the main thread may; elsewhere Ray could not change it either
        return


def room(ray: Any, replicas: int | None, gpus: float | None, joined: bool) -> Room:
    """What to start, from what was asked for and what the cluster has."""
    total = ray.cluster_resources()
    have_gpus, have_slots = float(total.get("GPU", 0)), float(total.get("CPU", 0))
    each = (1.0 if have_gpus else 0.0) if gpus is None else gpus
    fits = int(have_gpus / each) if each else int(have_slots)
    if fits == 0 and not joined:
        raise UserError(
            f"a replica needs {each:g} GPU and this machine offers {have_gpus:g}; lower --gpus-per-replica, or name "
            "a cluster with --ray-address"
        )
    return Room(replicas or max(1, fits), each, fits)
