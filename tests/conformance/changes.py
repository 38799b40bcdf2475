"""What tests of a changing channel share: its peers, their blocks, and who counts in its majorities."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from grpc.aio import Channel
from veilmesh_chaincode.records.registry import ApproveModel
from veilmesh_fabric import CommitError, DeliverError, EvaluateError, RetryPolicy, blocks, connect
from veilmesh_network import channel_edits as edits
from veilmesh_network.admission import admit, expel
from veilmesh_network.certificates import NodeRole
from veilmesh_network.consortium import Consortium
from veilmesh_network.network import ADMIN, Network, OrganisationKind

from tests.fabric_network import FabricNetwork

ONCE = RetryPolicy(attempts=1, conflict_attempts=1)


@asynccontextmanager
async def peer_of(fabric: FabricNetwork, msp_id: str) -> AsyncIterator[Channel]:
    async with connect(fabric.network.gateways(msp_id)[0], fabric.tls_roots) as channel:
        yield channel


async def chain(fabric: FabricNetwork, msp_id: str) -> list[bytes]:
    """Return every block that a member's peer has."""
    async with peer_of(fabric, msp_id) as peer:
        stream = blocks(peer, fabric.identity(msp_id, ADMIN), fabric.network.channel, stop="newest")
        return [block.SerializeToString(deterministic=True) async for block in stream]


def vote() -> tuple[str, bytes]:
    """Return a function that an operator may call, and what for: a model that nobody has voted for before."""
    request = ApproveModel(model_digest=secrets.token_hex(32), name="a test's")
    return "registry:ApproveModel", request.to_bytes()


async def require_revocation(fabric: FabricNetwork, consortium: Consortium) -> None:
    """Revoke a certificate of Org2's, with which its holder has acted: no member's peer answers it then."""
    organisation = fabric.network.organisation("org2")
    organisation.issue("revoked", role=NodeRole.CLIENT, attributes={"role": "operator"})
    holder = fabric.identity("Org2MSP", "revoked")
    async with fabric.contract("Org2MSP", holder, retry=ONCE) as contract:
        await contract.submit(*vote())
    path = organisation.revoke(["revoked"])
    await consortium.change(lambda root: edits.with_revocations(root, "Org2MSP", [path.read_bytes()]))
    for msp_id in fabric.members:
        async with fabric.contract("Org2MSP", holder, through=msp_id, retry=ONCE) as contract:
            with pytest.raises(EvaluateError, match="access denied"):
                await contract.evaluate("registry:GetConsortium")
        async with peer_of(fabric, msp_id) as peer:
            with pytest.raises(DeliverError) as refused:
                async for _ in blocks(peer, holder, fabric.network.channel, stop="newest"):
                    pass
            assert refused.value.status == "FORBIDDEN"


def require_joining_and_leaving(fabric: FabricNetwork) -> None:
    """Have a fourth member join with its peer, and leave: it counts in all majorities, and then no longer.

    Outside of any event loop, as `admit` and `expel` have one of their own.
    """
    said: list[str] = []
    network = Network.load(fabric.network.folder)
    changed = admit(network, "org4", OrganisationKind.MEMBER, said.append)
    assert edits.members(changed.config.root) == ["Org1MSP", "Org2MSP", "Org3MSP", "Org4MSP"]
    assert [line for line in said if line.startswith("signed by")] == [
        f"signed by admin.org{number}.example.com of Org{number}MSP" for number in (1, 2)
    ]
    grown = FabricNetwork(Network.load(network.folder))
    heights = grown.status().heights
    assert heights["Org4MSP"] == heights["Org1MSP"]
    asyncio.run(_three_of_four_endorse(grown))

    fourth = grown.identity("Org4MSP")
    expel(grown.network, "org4", said.append)
    assert "org4" not in {entry.name for entry in Network.load(network.folder).organisations}
    assert not [each.name for each in fabric.status().processes if "org4" in each.name]

    async def two_of_three_endorse() -> None:
        async with fabric.contract("Org4MSP", fourth, through="Org1MSP", retry=ONCE) as contract:
            with pytest.raises(EvaluateError, match="access denied"):
                await contract.evaluate("registry:GetConsortium")
        async with fabric.contract("Org1MSP", retry=ONCE) as contract:
            await contract.submit(*vote(), endorsing_organizations=["Org1MSP", "Org2MSP"])

    asyncio.run(two_of_three_endorse())


async def _three_of_four_endorse(grown: FabricNetwork) -> None:
    async with grown.contract("Org4MSP", retry=ONCE) as contract:  # through its own peer
        await contract.evaluate("registry:GetConsortium")
    async with grown.contract("Org1MSP", retry=ONCE) as contract:
        with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
            await contract.submit(*vote(), endorsing_organizations=["Org1MSP", "Org4MSP"])
        await contract.submit(*vote(), endorsing_organizations=["Org1MSP", "Org2MSP", "Org4MSP"])
