"""Hands that are actors of a Ray cluster. The rest of the program knows nothing of Ray, which is imported here alone.

An actor holds what it prepared and does one piece at a time. It is never restarted by Ray, nor is a piece tried again
by it: who died of what is counted by the crew. Anybody who can reach a Ray cluster can run code on it, so its token
authentication is asked for always; it reports nothing about its use.
"""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

from core.errors import BadInput
from core.jobs.crew import HandDied

Piece = TypeVar("Piece")
Result = TypeVar("Result")

PACKAGE = Path(__file__).resolve().parents[1]
ENVIRONMENT = {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}
BEGIN_SECONDS = 900.0
"""How long an actor may take to be placed and to prepare, such as by fetching a model."""
REACH_SECONDS = 10.0
NOTICE_SECONDS = 5.0
"""How long a cluster may take to notice that a node is gone."""
MISSING = (
    "Ray is not installed: run .venv/bin/pip install --no-deps -r requirements-cluster.lock, here and on each node."
)


class Cluster:
    """A connection to a running cluster."""

    def __init__(self, address: str | None) -> None:
        """Raises BadInput where Ray is not installed, and for a cluster that cannot be reached."""
        os.environ.update(ENVIRONMENT)
        try:
            import ray
        except ImportError:
            raise BadInput(MISSING) from None
        address = address or os.environ.get("RAY_ADDRESS")
        if not address:
            raise BadInput("Which cluster? Give --address HOST:6379, as `ray start --head` says it.")
        _check_reachable(address)
        self._ray, handler = ray, signal.getsignal(signal.SIGTERM)
        try:
            ray.init(
                address=address,
                log_to_driver=False,
                runtime_env={"py_modules": [str(PACKAGE)], "env_vars": {"TOKENIZERS_PARALLELISM": "false"}},
            )
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise BadInput(
                f"The Ray cluster {address!r} cannot be used; is RAY_AUTH_TOKEN here as on its nodes? Ray says: "
                f"{' '.join(str(error).split())[:300]}"
            ) from None
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, handler)  # Ray puts its own there

    @property
    def gpus(self) -> int:
        """GPUs of all nodes."""
        return int(self._ray.cluster_resources().get("GPU", 0))

    @property
    def nodes(self) -> int:
        """Nodes that live."""
        return sum(node["Alive"] for node in self._ray.nodes())

    def cores(self, wanted: int) -> int:
        """So many cores for an actor, or as many as the largest node has but one, which others need."""
        largest = max((int(node["Resources"].get("CPU", 0)) for node in self._ray.nodes() if node["Alive"]), default=1)
        return max(1, min(wanted, largest - 1))

    def hand(self, prepare: Callable[[], Callable[[Piece], Result]], cores: int, gpus: int) -> "ActorHand":
        """A new actor."""
        return ActorHand(self._ray, prepare, cores, gpus)

    def leave(self) -> None:
        """End the connection, and with it all its actors."""
        self._ray.shutdown()


def _check_reachable(address: str) -> None:
    """Ray itself tries for minutes. Raises BadInput where nobody listens."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=REACH_SECONDS).close()
    except (OSError, ValueError) as error:
        raise BadInput(
            f"No Ray cluster listens at {address!r} ({error}); give HOST:PORT as `ray start --head` says it."
        ) from None


class _Actor:
    """What runs on a node."""

    def begin(self, prepare: Callable[[], Callable[[Any], Any]]) -> str:
        """Prepare; the node's name."""
        import ray

        self._work = prepare()
        return str(ray.get_runtime_context().get_node_id())

    def do(self, piece: Any) -> Any:
        """A piece's result."""
        return self._work(piece)


class ActorHand(Generic[Piece, Result]):
    """An actor that prepares once and then does what it is sent."""

    def __init__(self, ray: Any, prepare: Callable[[], Callable[[Piece], Result]], cores: int, gpus: int) -> None:
        self._ray, self._node, self._is_left = ray, "", False
        kind = ray.remote(
            num_cpus=cores, num_gpus=gpus, max_restarts=0, max_task_retries=0, scheduling_strategy="SPREAD"
        )
        self._actor = kind(_Actor).remote()
        self._begun = self._actor.begin.remote(prepare)

    def begin(self) -> None:
        """Wait until a node has taken it, and it is prepared. Raises HandDied, or what preparing raised."""
        self._node = self._get(self._begun, timeout=BEGIN_SECONDS)

    def do(self, piece: Piece) -> Result:
        """The piece's result. Raises HandDied, or what the work itself raised."""
        result: Result = self._get(self._actor.do.remote(piece))
        return result

    def _get(self, answer: Any, timeout: float | None = None) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(answer, timeout=timeout)
        except errors.RayTaskError as error:
            print(error, file=sys.stderr)  # where on the node it was
            raise (error.cause if isinstance(error.cause, Exception) else error) from None
        except errors.GetTimeoutError:
            self.leave()
            raise HandDied(f"no node took it in {BEGIN_SECONDS:,.0f} seconds", by_piece=False) from None
        except errors.RayError as error:
            words = " ".join(str(error).split())[:300]
            raise HandDied(words, by_piece=bool(self._node) and self._node_lives()) from None

    def leave(self) -> None:
        """End the actor, whatever it does."""
        self._is_left = True
        self._ray.kill(self._actor, no_restart=True)

    def _node_lives(self) -> bool:
        end = time.monotonic() + NOTICE_SECONDS
        while time.monotonic() < end and not self._is_left:
            if not any(node["NodeID"] == self._node and node["Alive"] for node in self._ray.nodes()):
                return False
            time.sleep(0.5)
        return True
