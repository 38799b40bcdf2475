"""A peer that delivers whatever blocks it is given, over TLS, from a thread of its own.

It answers as a real peer does, but looks at nobody's signature; that it may lie is its purpose.
"""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from fabric_protos.common import common_pb2
from fabric_protos.orderer import ab_pb2
from fabric_protos.peer import events_pb2, events_pb2_grpc
from veilmesh_network.certificates import CertificateAuthority


@dataclass
class DeliverServer(events_pb2_grpc.DeliverServicer):  # type: ignore[misc]  # untyped base
    blocks: list[bytes]
    hidden: int = 0  # of the newest blocks: said to be there, and never delivered
    mute: bool = False  # whether it takes requests and answers none
    starts: list[int] = field(default_factory=list)  # block numbers that streams began at
    changed: threading.Condition = field(default_factory=threading.Condition)
    address: str = ""

    def add(self, blocks: Sequence[bytes]) -> None:
        """Have more blocks from now on."""
        with self.changed:
            self.blocks += blocks
            self.changed.notify_all()

    def Deliver(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:  # noqa: N802 - gRPC's name
        envelope = next(requests)
        seek = ab_pb2.SeekInfo.FromString(common_pb2.Payload.FromString(envelope.payload).data)
        context.add_callback(self._wake)
        if self.mute:
            with self.changed:
                self.changed.wait_for(lambda: not context.is_active())
            return
        if seek.start.HasField("newest"):
            yield _answer(self.blocks[-1])
            yield events_pb2.DeliverResponse(status=common_pb2.SUCCESS)
            return
        self.starts.append(seek.start.specified.number)
        for number in range(seek.start.specified.number, seek.stop.specified.number + 1):
            with self.changed:
                self.changed.wait_for(
                    lambda number=number: (  # type: ignore[misc]  # mypy does not see the default's type
                        not context.is_active() or number < len(self.blocks) - self.hidden
                    )
                )
            if not context.is_active():
                return
            yield _answer(self.blocks[number])
        yield events_pb2.DeliverResponse(status=common_pb2.SUCCESS)

    def _wake(self) -> None:
        with self.changed:
            self.changed.notify_all()


def _answer(block: bytes) -> Any:
    return events_pb2.DeliverResponse(block=common_pb2.Block.FromString(block))


@contextmanager
def delivering(
    blocks: Sequence[bytes], authority: CertificateAuthority, *, hidden: int = 0
) -> Iterator[DeliverServer]:
    """Serve blocks on a free port of this machine, with a TLS certificate of `authority`."""
    pair = authority.issue_tls("peer", hosts=("127.0.0.1",))
    peer = DeliverServer(list(blocks), hidden)
    server = grpc.server(ThreadPoolExecutor(max_workers=8))
    events_pb2_grpc.add_DeliverServicer_to_server(peer, server)
    credentials = grpc.ssl_server_credentials([(pair.key_pem, pair.certificate_pem)])
    peer.address = f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', credentials)}"
    server.start()
    try:
        yield peer
    finally:
        server.stop(grace=None).wait()
