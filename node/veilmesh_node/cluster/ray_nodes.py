"""Ray's own list of machines, and how one is struck off it, for the head."""

import importlib
from collections.abc import Collection, Mapping
from typing import Any

from veilmesh_node.cluster.errors import RayFailedError

WITHIN_S = 5.0


class RayNodes:
    """What Ray's control service says and does. Blocks; call it in a thread.

    The process's environment has to name certificates and token (`RayAccess`) before the first use.
    """

    def __init__(self, gcs_address: str) -> None:
        raylet: Any = importlib.import_module("ray._raylet")  # its stub names next to nothing
        self._client = raylet.GcsClient(address=gcs_address)

    def alive(self) -> Mapping[str, Any]:
        """Return what Ray says of each machine that it holds for alive, by Ray's id of it, hex.

        Raises:
            RayFailedError: the service does not answer.
        """
        from ray.core.generated.gcs_pb2 import GcsNodeInfo  # noqa: PLC0415

        try:
            found = self._client.get_all_node_info(timeout=WITHIN_S)
        except Exception as err:
            raise RayFailedError(f"Ray's control service does not answer: {err}") from err
        return {
            node_id.hex(): about
            for node_id, about in found.items()
            if about.state == GcsNodeInfo.GcsNodeState.ALIVE
        }

    def strike_off(self, ray_node_ids: Collection[str]) -> None:
        """Have Ray hold machines for dead: what runs there counts no more, and nothing is sent there.

        Raises:
            RayFailedError: the service does not answer.
        """
        try:
            self._client.drain_nodes([bytes.fromhex(each) for each in ray_node_ids], WITHIN_S)
        except Exception as err:
            raise RayFailedError(f"Ray's control service does not answer: {err}") from err
