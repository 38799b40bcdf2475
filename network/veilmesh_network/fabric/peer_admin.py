"""A peer as its organisation's admin sees it: its channels, its installed chaincodes, its height.

Each question is a proposal to one of the peer's system chaincodes, sent to that very peer and simulated
there; nothing is ordered.

Source: Fabric `core/scc/cscc/configure.go`, `core/scc/qscc/query.go`, `core/chaincode/lifecycle/scc.go`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import grpc.aio
from fabric_protos.common import configtx_pb2, ledger_pb2
from fabric_protos.peer import peer_pb2_grpc, query_pb2
from fabric_protos.peer.lifecycle import lifecycle_pb2
from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.lifecycle import LIFECYCLE
from veilmesh_fabric.proposal import Proposal
from veilmesh_fabric.wire import decode

from veilmesh_network.errors import NetworkError

_DEADLINE_S = 60.0  # joining a channel and installing take their time
_OK = 200
_NO_CHANNEL = ""


class PeerRefusedError(NetworkError):
    """A peer answered, with an error.

    Attributes:
        status: as the chaincode, or the peer for it, said; 500 for most.
    """

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


class ApprovalForgottenError(PeerRefusedError):
    """A peer that fetched its ledger anew has of its organisation's approval no more than the hash.

    That hash is all that it needs to run the approved package, if it has that installed.
    """


class PeerUnreachableError(NetworkError):
    """A peer did not answer."""


@dataclass(frozen=True, slots=True)
class InstalledDefinition:
    """A chaincode definition as the channel has committed it."""

    sequence: int
    version: str
    approvals: Mapping[str, bool]  # by MSP id


class PeerAdmin:
    """One peer, used as one identity, which must be an admin of its organisation for what changes it."""

    def __init__(self, channel: grpc.aio.Channel, identity: SigningIdentity) -> None:
        """Use `channel`, which its owner closes."""
        self._stub = peer_pb2_grpc.EndorserStub(channel)
        self._identity = identity

    async def channels(self) -> set[str]:
        """Return which channels the peer has joined."""
        answer = query_pb2.ChannelQueryResponse.FromString(await self.ask(_NO_CHANNEL, "cscc", "GetChannels"))
        return {each.channel_id for each in answer.channels}

    async def join(self, block: bytes) -> None:
        """Have the peer join the channel that begins with `block`."""
        await self.ask(_NO_CHANNEL, "cscc", "JoinChain", block)

    async def height(self, channel_name: str) -> int:
        """Return how many blocks the peer has."""
        answer = await self.ask(channel_name, "qscc", "GetChainInfo", channel_name)
        return int(ledger_pb2.BlockchainInfo.FromString(answer).height)

    async def configuration(self, channel_name: str) -> ChannelConfig:
        """Return the channel's configuration, as the peer has it."""
        answer = await self.ask(channel_name, "cscc", "GetChannelConfig", channel_name)
        return ChannelConfig.from_proto(channel_name, decode(configtx_pb2.Config, answer, "configuration"))

    async def installed(self) -> set[str]:
        """Return the ids of the chaincode packages that the peer has."""
        request = lifecycle_pb2.QueryInstalledChaincodesArgs()
        answer = await self._lifecycle(_NO_CHANNEL, "QueryInstalledChaincodes", request)
        result = lifecycle_pb2.QueryInstalledChaincodesResult.FromString(answer)
        return {each.package_id for each in result.installed_chaincodes}

    async def install(self, package: bytes) -> str:
        """Install a chaincode package; return its id, as the peer computed it."""
        request = lifecycle_pb2.InstallChaincodeArgs(chaincode_install_package=package)
        answer = await self._lifecycle(_NO_CHANNEL, "InstallChaincode", request)
        return str(lifecycle_pb2.InstallChaincodeResult.FromString(answer).package_id)

    async def approved_package(self, channel_name: str, chaincode: str, sequence: int) -> str | None:
        """Return under which package id this organisation approved a definition, None where it did not.

        Raises:
            ApprovalForgottenError: it did, and the peer does not know under which.
            PeerRefusedError, PeerUnreachableError: as `ask`.
        """
        request = lifecycle_pb2.QueryApprovedChaincodeDefinitionArgs(name=chaincode, sequence=sequence)
        try:
            answer = await self._lifecycle(channel_name, "QueryApprovedChaincodeDefinition", request)
        except PeerRefusedError as err:
            if "could not fetch approved chaincode definition" in str(err):
                return None
            if "private data matching public hash version is not available" in str(err):
                raise ApprovalForgottenError(str(err), status=err.status) from err
            raise
        result = lifecycle_pb2.QueryApprovedChaincodeDefinitionResult.FromString(answer)
        return str(result.source.local_package.package_id)

    async def definition(self, channel_name: str, chaincode: str) -> InstalledDefinition | None:
        """Return the committed definition of a chaincode, None where there is none."""
        request = lifecycle_pb2.QueryChaincodeDefinitionArgs(name=chaincode)
        try:
            answer = await self._lifecycle(channel_name, "QueryChaincodeDefinition", request)
        except PeerRefusedError as err:
            if "is not defined" in str(err):
                return None
            raise
        result = lifecycle_pb2.QueryChaincodeDefinitionResult.FromString(answer)
        return InstalledDefinition(result.sequence, result.version, dict(result.approvals))

    async def ask(self, channel_name: str, chaincode: str, *args: bytes | str) -> bytes:
        """Have the peer run a function of a chaincode; return its result.

        Raises:
            PeerRefusedError: the peer or the chaincode answered with an error.
            PeerUnreachableError: nobody answered.
        """
        proposal = Proposal.build(
            self._identity.creator, channel_name, chaincode, args, at=datetime.now(UTC)
        ).sign(self._identity)
        try:
            answer = await self._stub.ProcessProposal(proposal.to_proto(), timeout=_DEADLINE_S)
        except grpc.aio.AioRpcError as err:
            refused = err.code() is grpc.StatusCode.UNKNOWN
            message = f"{chaincode} {_text(args[0])}: {err.details()} ({err.code().name})"
            raise (
                PeerRefusedError(message, status=500) if refused else PeerUnreachableError(message)
            ) from err
        if answer.response.status != _OK:
            raise PeerRefusedError(
                f"{chaincode} {_text(args[0])}: {answer.response.message} (status {answer.response.status})",
                status=answer.response.status,
            )
        return bytes(answer.response.payload)

    async def _lifecycle(self, channel_name: str, function: str, request: Any) -> bytes:
        return await self.ask(channel_name, LIFECYCLE, function, request.SerializeToString())


def _text(argument: bytes | str) -> str:
    return argument if isinstance(argument, str) else argument.decode(errors="replace")
