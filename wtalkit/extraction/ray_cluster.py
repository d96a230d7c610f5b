"""The Ray cluster itself: reaching or starting it, what its nodes have, and what Ray's many errors mean."""

from __future__ import annotations

import logging
import os
import re
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from wtalkit.cores import available_cores
from wtalkit.errors import ConfigError, MachineError

if TYPE_CHECKING:
    from ray import ObjectRef

log = logging.getLogger(__name__)

_ADDRESS = re.compile(r"(?P<host>[\w.-]+|\[[0-9a-fA-F:.]+\]):(?P<port>\d{1,5})")
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_REACH_S = 5.0
_CONNECT_S = 40.0
"""Of a cluster that answers; Ray itself would try for ever."""
_REMEDY = "See docs/clusters.md"
_STORE_BYTES = 512 * 2**20
"""Of a cluster started here: an hour of I3D features is 46 MB, and each result is taken out at once."""
_REFRESH_S = 5.0
_WITHOUT_NODES_S = 60.0
"""Nodes are replaced; so long may there be none that is large enough."""


@dataclass(frozen=True)
class Share:
    """What a task takes of a node.

    Attributes:
        cpus: cores.
        gpus: of a GPU; 0 for none.
    """

    cpus: int
    gpus: float

    def slots(self, resources: dict[str, float]) -> int:
        """Tasks that a node with these resources can do at once."""
        slots = int(resources.get("CPU", 0) // self.cpus)
        return min(slots, int(resources.get("GPU", 0) / self.gpus + 1e-9)) if self.gpus else slots


class Cluster:
    """A connection to a cluster, or a cluster of this machine alone.

    Args:
        address: ``HOST:PORT``, ``auto``, or None for one of this machine alone.

    Raises:
        ConfigError: not an address.
        MachineError: Ray is not installed, or the cluster cannot be reached.
    """

    def __init__(self, address: str | None) -> None:
        match = None if address in (None, "auto") else _ADDRESS.fullmatch(address or "")
        if address not in (None, "auto") and match is None:
            raise ConfigError(f"{address!r} is not the address of a Ray cluster", remedy="Use auto or HOST:PORT")
        if find_spec("ray") is None:
            raise MachineError("needs the package ray", remedy="pip install 'wtalkit[ray]'")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anyone
        import ray

        self._ray: Any = ray
        self._share = Share(1, 0)
        self._slots, self._looked_s, self._last_fit_s = 0, -_REFRESH_S, time.monotonic()
        self._is_ours = not ray.is_initialized()  # a program may have connected already
        if not self._is_ours:
            there = ray.get_runtime_context().gcs_address
            if match is not None and match[0] != there:
                raise MachineError(f"this program is connected to the Ray cluster at {there} already")
        elif address is None:
            self._start()
        else:
            self._connect(_found_here() if match is None else match)

    def _start(self) -> None:
        """A cluster of this machine alone."""
        if "RAY_AUTH_TOKEN_PATH" not in os.environ:
            # The password between its processes, one for the life of this process, since Ray reads it only once. By
            # itself Ray would put one into the home folder.
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        before = signal.getsignal(signal.SIGTERM)
        try:
            with _loopback(True):
                self._init(
                    address="local", num_cpus=available_cores(), include_dashboard=False,
                    object_store_memory=_STORE_BYTES,
                )  # fmt: skip
        except Exception as error:  # of many kinds
            cause = f"a Ray cluster cannot be started on this machine ({_last_line(error)})"
            raise MachineError(cause, remedy=_REMEDY) from error
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, before)  # Ray puts its own there; without, its processes end with ours

    def _connect(self, address: re.Match[str]) -> None:
        """Join a cluster, in a time that has an end: where a port is not its own Ray tries for ever, deaf to Ctrl-C."""
        what = f"the Ray cluster at {address[0]} cannot be reached"
        try:
            socket.create_connection((address["host"].strip("[]"), int(address["port"])), _REACH_S).close()
        except (OSError, OverflowError) as error:
            raise MachineError(f"{what} ({getattr(error, 'strerror', None) or error})", remedy=_REMEDY) from error
        outcome: list[Exception | None] = []

        def connect() -> None:
            try:
                with _loopback(address["host"] in _LOOPBACK):
                    self._init(address=address[0])
                outcome.append(None)
            except Exception as error:  # of many kinds: versions that differ, a machine that is no node, and so on
                outcome.append(error)

        thread = threading.Thread(target=connect, name="wtalkit-ray", daemon=True)
        thread.start()
        thread.join(_CONNECT_S)
        if not outcome:
            raise MachineError(f"{what} (no answer for {_CONNECT_S:g} s)", remedy=_REMEDY)
        if outcome[0] is not None:
            raise MachineError(f"{what} ({_last_line(outcome[0])})", remedy=_REMEDY) from outcome[0]

    def _init(self, **options: Any) -> None:
        self._say = self._ray._private.worker.print_to_stdstream
        self._ray._private.worker.print_to_stdstream = _note
        self._ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        if self._is_ours and self._ray.is_initialized():
            self._ray.shutdown()
            self._ray._private.worker.print_to_stdstream = self._say

    @property
    def has_gpus(self) -> bool:
        return any(node.get("GPU", 0) > 0 for node in self._nodes())

    def ask_for(self, share: Share) -> None:
        """Tasks will need so much each.

        Raises:
            MachineError: no node has it.
        """
        self._share = share
        if not any(share.slots(node) for node in self._nodes()):
            raise self._too_small()

    def slots(self) -> int:
        """Tasks that all nodes together can do at once; nodes come and go.

        Raises:
            MachineError: no node has been large enough for a while.
        """
        now = time.monotonic()
        if now - self._looked_s >= _REFRESH_S:
            self._looked_s, self._slots = now, sum(self._share.slots(node) for node in self._nodes())
            if self._slots:
                self._last_fit_s = now
            elif now - self._last_fit_s > _WITHOUT_NODES_S:
                raise self._too_small()
        return self._slots

    def remote(self, function: Callable[..., Any]) -> Any:
        """A function whose calls are tasks; to be tried once each, in processes that are kept for the next."""
        options: dict[str, Any] = {
            "num_cpus": self._share.cpus,
            "max_retries": 0,
            "max_calls": 0,  # by default Ray ends a process that had a GPU after each task
            "scheduling_strategy": "SPREAD",
        }
        if self._share.gpus:
            # A process is lent now this GPU, now that one, and CUDA looks at what is visible only once.
            noset = {"RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES": "1"}
            options |= {"num_gpus": self._share.gpus, "runtime_env": {"env_vars": noset}}
        return self._ray.remote(**options)(function)

    def first_ready(self, refs: Sequence[ObjectRef[Any]], timeout_s: float) -> ObjectRef[Any] | None:
        """A task that has ended, if one does in time."""
        if not refs:
            time.sleep(timeout_s)
            return None
        ready, _ = self._ray.wait(list(refs), num_returns=1, timeout=timeout_s)
        return ready[0] if ready else None

    def take(self, ref: ObjectRef[Any]) -> Any:
        """The result of a task that has ended, or a few words on how its worker died.

        Raises:
            MachineError: it is not about this task.
        """
        errors = self._ray.exceptions
        try:
            return self._ray.get(ref)
        except errors.RayTaskError as error:
            if isinstance(error.cause, MemoryError):
                return "out of memory"
            node = vars(error).get("ip", "unknown")
            cause = f"node {node}: the worker cannot do its work ({_last_line(error)})"
            raise MachineError(cause, remedy="Install the same wtalkit on all nodes") from error
        except errors.OutOfMemoryError:
            return "out of memory"
        except (errors.NodeDiedError, errors.ObjectLostError):
            return "its node was lost"
        except (errors.WorkerCrashedError, errors.TaskCancelledError):
            return "its process was killed or crashed"
        except errors.RayError as error:
            raise MachineError(f"the Ray cluster does not work ({_last_line(error)})") from error

    def _nodes(self) -> list[dict[str, float]]:
        return [node["Resources"] for node in self._ray.nodes() if node["Alive"]]

    def _too_small(self) -> MachineError:
        nodes = self._nodes()
        if self._share.gpus and not any(node.get("GPU", 0) for node in nodes):
            return MachineError("no node of the Ray cluster has a GPU", remedy="Use --device cpu")
        cores = f"{self._share.cpus} core{'' if self._share.cpus == 1 else 's'}"
        most = max((node.get("CPU", 0) for node in nodes), default=0)
        cause = f"no node of the Ray cluster has {cores} for a video (the largest has {most:g})"
        return MachineError(cause, remedy="Use a smaller --workers, or add a node")


@contextmanager
def _loopback(wanted: bool) -> Generator[None, None, None]:
    """Keep Ray from putting the network's address in the place of 127.0.0.1.

    By default it opens ports to everybody, also for one machine alone, and looks for a cluster on 127.0.0.1 elsewhere.
    On macOS and Windows it does not, and this is the switch.
    """
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = before and not wanted
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _found_here() -> re.Match[str]:
    """The address of the cluster that this machine is a part of.

    Raises:
        MachineError: it is part of none.
    """
    from ray._private import services

    try:
        match = _ADDRESS.fullmatch(services.get_ray_address_from_environment("auto", None) or "")
    except Exception as error:
        raise MachineError("this machine is not part of a Ray cluster", remedy=_REMEDY) from error
    if match is None:
        raise MachineError("this machine is not part of a Ray cluster", remedy=_REMEDY)
    return match


def _note(data: dict[str, Any], ignore_prefix: bool = False) -> None:
    """Takes the place of what prints Ray's messages on lost nodes to stdout, where a document may be on its way."""
    for line in data["lines"]:
        log.info("Ray: %s", line)


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else type(error).__name__
