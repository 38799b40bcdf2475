from veilmesh.v1 import outcome_pb2 as _outcome_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SubmitProbeRequest(_message.Message):
    __slots__ = ("authentication_id", "sealing_suite", "sealed_probe")
    AUTHENTICATION_ID_FIELD_NUMBER: _ClassVar[int]
    SEALING_SUITE_FIELD_NUMBER: _ClassVar[int]
    SEALED_PROBE_FIELD_NUMBER: _ClassVar[int]
    authentication_id: str
    sealing_suite: str
    sealed_probe: bytes
    def __init__(self, authentication_id: _Optional[str] = ..., sealing_suite: _Optional[str] = ..., sealed_probe: _Optional[bytes] = ...) -> None: ...

class SubmitProbeResponse(_message.Message):
    __slots__ = ("authentication_id", "outcome", "conclusion_tx_id")
    AUTHENTICATION_ID_FIELD_NUMBER: _ClassVar[int]
    OUTCOME_FIELD_NUMBER: _ClassVar[int]
    CONCLUSION_TX_ID_FIELD_NUMBER: _ClassVar[int]
    authentication_id: str
    outcome: _outcome_pb2.Outcome
    conclusion_tx_id: str
    def __init__(self, authentication_id: _Optional[str] = ..., outcome: _Optional[_Union[_outcome_pb2.Outcome, str]] = ..., conclusion_tx_id: _Optional[str] = ...) -> None: ...
