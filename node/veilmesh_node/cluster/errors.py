"""What can go wrong in a cluster.

ClusterError
├── RayMissingError          Ray is not installed
├── DashboardMissingError    Ray's dashboard is not installed
├── RayFailedError           Ray's processes did not start, or ended by themselves
├── ClusterDownError         nothing runs from this home, or the head does not answer
├── AlreadyRunningError      it runs from this home already
├── AdmissionRefusedError    this node may not work in this cluster, or not any more
├── NoWorkersError           nobody is there to work
└── WorkError                inputs or an output folder that a job cannot use

Each class has the word by which a caller on another machine knows it, and a hint.
"""

from typing import ClassVar

import grpc

from veilmesh_node.errors import NodeError


class ClusterError(NodeError):
    code: ClassVar[str] = "CLUSTER"
    status: ClassVar[grpc.StatusCode] = grpc.StatusCode.FAILED_PRECONDITION
    hint: ClassVar[str] = ""


class RayMissingError(ClusterError):
    code = "RAY_MISSING"
    hint = "install it with: pip install 'veilmesh[cluster]'"

    def __init__(self) -> None:
        super().__init__("Ray is not installed")


class DashboardMissingError(ClusterError):
    code = "DASHBOARD_MISSING"
    hint = "install it with: pip install 'ray[default]'; or leave --dashboard out"

    def __init__(self) -> None:
        super().__init__("Ray's dashboard is not installed")


class RayFailedError(ClusterError):
    code = "RAY_FAILED"
    hint = "cluster/head-ray.log or cluster/worker-ray.log in the home says more"


class ClusterDownError(ClusterError):
    code = "CLUSTER_DOWN"
    status = grpc.StatusCode.UNAVAILABLE
    hint = "`veilmesh cluster start` starts one"


class AlreadyRunningError(ClusterError):
    code = "ALREADY_RUNNING"
    hint = "`veilmesh cluster stop` stops it"


class AdmissionRefusedError(ClusterError):
    code = "NOT_ADMITTED"
    status = grpc.StatusCode.PERMISSION_DENIED
    hint = (
        "`veilmesh registry nodes` shows roles and standing; a worker needs the role `worker`, and approval"
    )


class NoWorkersError(ClusterError):
    code = "NO_WORKERS"
    status = grpc.StatusCode.UNAVAILABLE
    hint = "`veilmesh cluster status` shows who works; submit again to go on where it stopped"


class WorkError(ClusterError):
    code = "WORK"
    status = grpc.StatusCode.INVALID_ARGUMENT
