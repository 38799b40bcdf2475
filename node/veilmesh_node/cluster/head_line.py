"""The line from a head's own commands to it: who works, and how far a job is. Plain calls that wait."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from veilmesh.v1 import cluster_pb2
from veilmesh.v1.cluster_pb2_grpc import ClusterStub
from veilmesh_fabric.errors import IdentityError
from veilmesh_fabric.tls import TlsPair

from veilmesh_node.cluster.errors import ClusterDownError
from veilmesh_node.cluster.membership import State
from veilmesh_node.cluster.running import Part, Running
from veilmesh_node.errors import HomeError
from veilmesh_node.home import Home

CALL_WITHIN_S = 5.0
AWAY_S = 15.0  # so long a job goes on with the roster that it has


class HeadLine:
    """Calls the head that runs from a home."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._stub = ClusterStub(channel)  # type: ignore[no-untyped-call]  # generated
        self._working: Mapping[str, str] = {}
        self._answered_s = time.monotonic()

    def cluster(self) -> cluster_pb2.GetClusterResponse:
        """Return who is there.

        Raises:
            ClusterDownError: the head does not answer.
        """
        answer: cluster_pb2.GetClusterResponse = self._asked(
            self._stub.GetCluster, cluster_pb2.GetClusterRequest()
        )
        return answer

    def roster(self) -> Mapping[str, str]:
        """Return who may work now: Ray's id of each machine, and its node.

        Raises:
            ClusterDownError: the head has not answered for `AWAY_S`.
        """
        try:
            workers = self.cluster().workers
        except ClusterDownError:
            if time.monotonic() - self._answered_s > AWAY_S:
                raise
            return self._working
        self._answered_s = time.monotonic()
        self._working = {each.ray_node_id: each.node_id for each in workers if each.state == State.WORKING}
        return self._working

    def report(self, progress: cluster_pb2.Progress) -> None:
        """Tell how far a job is.

        Raises:
            ClusterDownError: the head does not answer.
        """
        self._asked(self._stub.ReportProgress, cluster_pb2.ReportProgressRequest(progress=progress))

    @staticmethod
    def _asked(method: Any, request: Any) -> Any:
        try:
            return method(request, timeout=CALL_WITHIN_S)
        except grpc.RpcError as err:
            raise ClusterDownError(f"the head does not answer: {err.details()}") from err


def head_document(folder: Path) -> dict[str, Any]:
    """Return what the head that runs from a home has told.

    Raises:
        ClusterDownError: none runs, or it is not ready yet.
    """
    document = Running(folder, Part.HEAD).document()
    if document is None:
        raise ClusterDownError(f"no head of a cluster runs from {folder}")
    return document


@contextmanager
def head_line(folder: Path) -> Iterator[HeadLine]:
    """Open the line to the head that runs from a home.

    Raises:
        ClusterDownError: none runs.
        HomeError: the home's certificates cannot be used.
    """
    address, home = head_document(folder)["listen"], Home(folder)
    try:
        own = TlsPair.read(home.tls_certificate, home.tls_key)
    except IdentityError as err:
        raise HomeError(str(err)) from err
    # The head shows the very certificate that this home holds, so it is the only one to trust.
    credentials = grpc.ssl_channel_credentials(own.certificate_pem, own.key_pem, own.certificate_pem)
    options = [("grpc.ssl_target_name_override", _name_in(own.certificate))]
    with grpc.secure_channel(address, credentials, options=options) as channel:
        yield HeadLine(channel)


def _name_in(certificate: x509.Certificate) -> str:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return str([*names.get_values_for_type(x509.DNSName), *names.get_values_for_type(x509.IPAddress)][0])
