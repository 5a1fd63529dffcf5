"""The Ray cluster of a run: connecting to one, or starting one on this machine, and its capacity."""

from __future__ import annotations

import logging
import os
import signal
import socket
from dataclasses import dataclass
from typing import Any

from cambrian_eval.errors import UserError, describe

OBJECT_STORE_BYTES = 512 << 20
"""Object store of a cluster that is started here; requests stay in it only until a replica has read them."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """Number and size of the replicas."""

    replicas: int
    gpus_per_replica: float
    available: int
    """The number of replicas that the cluster has resources for now."""

    @property
    def text(self) -> str:
        """Number and size in words."""
        each = f"{self.gpus_per_replica:g} GPU" if self.gpus_per_replica else "1 CPU"
        return f"{self.replicas} replicas with {each} each"


def load_ray() -> Any:
    """The `ray` package, with usage reports switched off; an error with the install command where it is missing."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise UserError("--engine ray needs Ray, which is not installed: pip install 'cambrian-eval[ray]'") from None
    return ray


def connect(ray: Any, address: str | None, replicas: int | None) -> bool:
    """Connects this process to a cluster; True when it started the cluster and has to stop it."""
    if ray.is_initialized():
        return False
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    settings: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": logging.ERROR}
    if address == "local":
        slots = max(os.cpu_count() or 1, replicas or 0)
        settings.update(num_cpus=slots, include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES)
    _check_reachable(address)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        ray.init(**settings)
    except Exception as error:
        raise UserError(
            f"could not connect to a Ray cluster at {address} ({describe(error)}); check --ray-address, or omit it to "
            "start a cluster on this machine"
        ) from None
    finally:
        for number, handler in before.items():  # Ray replaces the handlers with which a run stops cleanly
            if signal.getsignal(number) is not handler and handler is not None:
                _restore(number, handler)
    return address == "local"


def _check_reachable(address: str) -> None:
    """An error where the port does not accept connections; Ray would retry for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"no Ray cluster is reachable at {address} ({error}); check --ray-address, or omit it to start a cluster "
            "on this machine"
        ) from None


def _restore(number: int, handler: Any) -> None:
    try:
        signal.signal(number, handler)
    except ValueError:  # only the main thread may change handlers; in others Ray did not change them
        return


def plan_capacity(ray: Any, replicas: int | None, gpus_per_replica: float | None, joined: bool) -> Capacity:
    """Number and size of the replicas, from what was requested and the resources of the cluster."""
    total = ray.cluster_resources()
    gpus, cpus = float(total.get("GPU", 0)), float(total.get("CPU", 0))
    each = (1.0 if gpus else 0.0) if gpus_per_replica is None else gpus_per_replica
    available = int(gpus / each) if each else int(cpus)
    if available == 0 and not joined:
        raise UserError(
            f"a replica needs {each:g} GPU and this machine has {gpus:g}; lower --gpus-per-replica, or connect to a "
            "cluster with --ray-address"
        )
    return Capacity(replicas or max(1, available), each, available)
