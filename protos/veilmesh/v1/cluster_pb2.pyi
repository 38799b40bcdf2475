from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ChallengeRequest(_message.Message):
    __slots__ = ("node_id",)
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    def __init__(self, node_id: _Optional[str] = ...) -> None: ...

class ChallengeResponse(_message.Message):
    __slots__ = ("cluster_id", "nonce", "expires_at_s")
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_S_FIELD_NUMBER: _ClassVar[int]
    cluster_id: str
    nonce: str
    expires_at_s: int
    def __init__(self, cluster_id: _Optional[str] = ..., nonce: _Optional[str] = ..., expires_at_s: _Optional[int] = ...) -> None: ...

class JoinRequest(_message.Message):
    __slots__ = ("node_id", "nonce", "public_key", "signature")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    NONCE_FIELD_NUMBER: _ClassVar[int]
    PUBLIC_KEY_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    nonce: str
    public_key: bytes
    signature: bytes
    def __init__(self, node_id: _Optional[str] = ..., nonce: _Optional[str] = ..., public_key: _Optional[bytes] = ..., signature: _Optional[bytes] = ...) -> None: ...

class JoinResponse(_message.Message):
    __slots__ = ("admission_id", "ray_address", "ray_token")
    ADMISSION_ID_FIELD_NUMBER: _ClassVar[int]
    RAY_ADDRESS_FIELD_NUMBER: _ClassVar[int]
    RAY_TOKEN_FIELD_NUMBER: _ClassVar[int]
    admission_id: str
    ray_address: str
    ray_token: str
    def __init__(self, admission_id: _Optional[str] = ..., ray_address: _Optional[str] = ..., ray_token: _Optional[str] = ...) -> None: ...

class AttendRequest(_message.Message):
    __slots__ = ("admission_id", "ray_node_id", "leaving")
    ADMISSION_ID_FIELD_NUMBER: _ClassVar[int]
    RAY_NODE_ID_FIELD_NUMBER: _ClassVar[int]
    LEAVING_FIELD_NUMBER: _ClassVar[int]
    admission_id: str
    ray_node_id: str
    leaving: bool
    def __init__(self, admission_id: _Optional[str] = ..., ray_node_id: _Optional[str] = ..., leaving: bool = ...) -> None: ...

class AttendResponse(_message.Message):
    __slots__ = ("sent_away",)
    SENT_AWAY_FIELD_NUMBER: _ClassVar[int]
    sent_away: str
    def __init__(self, sent_away: _Optional[str] = ...) -> None: ...

class GetClusterRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Worker(_message.Message):
    __slots__ = ("node_id", "msp_id", "state", "ray_node_id", "admitted_at_s")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    MSP_ID_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    RAY_NODE_ID_FIELD_NUMBER: _ClassVar[int]
    ADMITTED_AT_S_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    msp_id: str
    state: str
    ray_node_id: str
    admitted_at_s: int
    def __init__(self, node_id: _Optional[str] = ..., msp_id: _Optional[str] = ..., state: _Optional[str] = ..., ray_node_id: _Optional[str] = ..., admitted_at_s: _Optional[int] = ...) -> None: ...

class SentAway(_message.Message):
    __slots__ = ("node_id", "reason", "at_s")
    NODE_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    AT_S_FIELD_NUMBER: _ClassVar[int]
    node_id: str
    reason: str
    at_s: int
    def __init__(self, node_id: _Optional[str] = ..., reason: _Optional[str] = ..., at_s: _Optional[int] = ...) -> None: ...

class GetClusterResponse(_message.Message):
    __slots__ = ("cluster_id", "dashboard_url", "workers", "sent_away", "jobs")
    CLUSTER_ID_FIELD_NUMBER: _ClassVar[int]
    DASHBOARD_URL_FIELD_NUMBER: _ClassVar[int]
    WORKERS_FIELD_NUMBER: _ClassVar[int]
    SENT_AWAY_FIELD_NUMBER: _ClassVar[int]
    JOBS_FIELD_NUMBER: _ClassVar[int]
    cluster_id: str
    dashboard_url: str
    workers: _containers.RepeatedCompositeFieldContainer[Worker]
    sent_away: _containers.RepeatedCompositeFieldContainer[SentAway]
    jobs: _containers.RepeatedCompositeFieldContainer[Progress]
    def __init__(self, cluster_id: _Optional[str] = ..., dashboard_url: _Optional[str] = ..., workers: _Optional[_Iterable[_Union[Worker, _Mapping]]] = ..., sent_away: _Optional[_Iterable[_Union[SentAway, _Mapping]]] = ..., jobs: _Optional[_Iterable[_Union[Progress, _Mapping]]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("job_id", "task", "items", "done", "failed", "items_per_s", "done_by", "ended")
    class DoneByEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    JOB_ID_FIELD_NUMBER: _ClassVar[int]
    TASK_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    ITEMS_PER_S_FIELD_NUMBER: _ClassVar[int]
    DONE_BY_FIELD_NUMBER: _ClassVar[int]
    ENDED_FIELD_NUMBER: _ClassVar[int]
    job_id: str
    task: str
    items: int
    done: int
    failed: int
    items_per_s: float
    done_by: _containers.ScalarMap[str, int]
    ended: bool
    def __init__(self, job_id: _Optional[str] = ..., task: _Optional[str] = ..., items: _Optional[int] = ..., done: _Optional[int] = ..., failed: _Optional[int] = ..., items_per_s: _Optional[float] = ..., done_by: _Optional[_Mapping[str, int]] = ..., ended: bool = ...) -> None: ...

class ReportProgressRequest(_message.Message):
    __slots__ = ("progress",)
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    progress: Progress
    def __init__(self, progress: _Optional[_Union[Progress, _Mapping]] = ...) -> None: ...

class ReportProgressResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
