"""Ray's part of one machine, as a process that ends when who started it does: `python -m ...cluster.machine`.

It reads one line of JSON, a `MachineSettings`, from its standard input, starts Ray's processes, and answers
with one line, a `Machine`. Then it stays until its input ends, and takes Ray's processes with it: they are
its children, which the kernel ends with their parent, however that one ends.

`ray start` would do the same with three processes more (an autoscaler, a server for clients of another kind,
a log monitor), and cannot be kept to loopback: it puts the machine's address in the place of 127.0.0.1. So
what it calls is called here. That is private to Ray, which is why `pyproject.toml` names one line of it.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class MachineSettings:
    """What Ray is to make of this machine.

    Attributes:
        ip: where it is reached by the others.
        gcs_address: host:port of the head's; empty on the head itself.
        cpus: what may be used; the head's machine lends none, unless a worker runs there, too.
        gpus: the same; None: what there are.
        object_store_bytes: shared memory for pictures on their way.
        folder: for Ray's sockets, logs and objects that do not fit into memory. Its name has to be short: a
            socket's path is no longer than 107 characters, and Ray adds some 80.
        dashboard: whether to serve Ray's, on the head.
    """

    ip: str
    gcs_address: str
    cpus: int
    gpus: int | None
    object_store_bytes: int
    folder: str = ""
    dashboard: bool = False


@dataclass(frozen=True, slots=True)
class Machine:
    """What has become of it."""

    gcs_address: str
    ray_node_id: str  # hex
    dashboard_url: str  # empty where there is none


def main() -> None:
    settings = MachineSettings(**json.loads(sys.stdin.readline()))
    # Ray writes into the standard output; the one who started this process reads there.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    node = _start(settings)
    machine = Machine(node.gcs_address, node.node_id, _url(node) if settings.dashboard else "")
    answer.write(json.dumps(asdict(machine)) + "\n")
    answer.close()
    sys.stdin.read()
    node.kill_all_processes(check_alive=False, allow_graceful=True, wait=True)


def _start(settings: MachineSettings) -> Any:
    os.environ["TMPDIR"] = settings.folder  # what workers put on the disk goes with that folder, too
    from ray._private.node import Node  # noqa: PLC0415 - a process of its own
    from ray._private.parameter import RayParams  # noqa: PLC0415

    head = not settings.gcs_address
    parameters = RayParams(
        gcs_address=settings.gcs_address or None,
        node_ip_address=settings.ip,
        num_cpus=settings.cpus,
        num_gpus=settings.gpus,
        object_store_memory=settings.object_store_bytes,
        include_dashboard=settings.dashboard,
        include_log_monitor=False,
        no_monitor=True,
        temp_dir=settings.folder,
    )
    return Node(parameters, head=head, shutdown_at_exit=True, spawn_reaper=True)


def _url(node: Any) -> str:
    return f"http://{node.webui_url}" if node.webui_url else ""


if __name__ == "__main__":
    main()
