"""The channel's configuration changes while the ledger runs: who belongs to it, who is refused.

Each test has a network of its own, since what it changes stays changed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common import common_pb2
from veilmesh_fabric import Gateway, SigningIdentity, blocks
from veilmesh_fabric.block import decode_block
from veilmesh_fabric.channel_config import Address
from veilmesh_fabric.config_history import ConfigInForce
from veilmesh_fabric.config_request import ConfigUpdateRequest
from veilmesh_fabric.config_submission import submit_config_update
from veilmesh_fabric.errors import (
    BroadcastError,
    CommitError,
    ConfigOvertakenError,
    ConsentError,
    DeliverError,
    EndorseError,
    EvaluateError,
    SubmitError,
    VerificationError,
)
from veilmesh_fabric.ordering import OrdererEndpoint, broadcast
from veilmesh_network import channel_edits as edits
from veilmesh_network.consortium import Consortium
from veilmesh_network.network import ADMIN, AUDITOR, OPERATOR, PEER, Network, OrganisationKind

from tests.integration.ledger.key_value import KeyValue
from tests.integration.ledger.ledger import CHANNEL, Ledger, embedded
from tests.unit.fabric.forge import signed_envelope


@dataclass
class Running:
    """A ledger, and the folder with everybody's keys."""

    network: Network
    ledger: Ledger
    file: Path

    @property
    def consortium(self) -> Consortium:
        return Consortium(replace(Network.load(self.network.folder), address=self.ledger.address))

    @property
    def orderers(self) -> list[OrdererEndpoint]:
        return [OrdererEndpoint(self.ledger.address, self.ledger.tls_roots)]

    def identity(self, msp_id: str, name: str = ADMIN) -> SigningIdentity:
        files = Network.load(self.network.folder).organisation(msp_id).identity(name)
        return SigningIdentity.from_msp_folder(files.msp_dir, msp_id)

    async def submit(
        self, request: ConfigUpdateRequest, current: ConfigInForce, **options: Any
    ) -> ConfigInForce:
        return await submit_config_update(
            request,
            current,
            gateway=Gateway(self.ledger.connection, options.get("sender", self.identity("Org1MSP"))),
            orderers=options.get("orderers", self.orderers),
            timeout_s=10,
        )


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    network = Network.create(tmp_path / "network")
    file = tmp_path / "ledger.db"
    async with embedded(network, file, KeyValue()) as ledger:
        yield Running(network, ledger, file)
        await ledger.verify()


async def test_batches_change_and_the_chain_verifies(running: Running) -> None:
    await running.ledger.contract().submit("put", "before", "1")
    changed = await running.consortium.change(lambda root: edits.with_batches(root, max_message_count=2))
    assert (changed.config.sequence, changed.block_number) == (1, 3)
    contract = running.ledger.contract()
    await asyncio.gather(*(contract.submit("put", f"key{number}", "1") for number in range(9)))
    report = await running.ledger.verify()
    assert report.transactions["CONFIG", "VALID"] == 2
    chain = [decode_block(block) for block in await running.ledger.chain()]
    sizes = [len(block.transactions) for block in chain[changed.block_number + 1 :]]
    assert sum(sizes) == 9
    assert max(sizes) <= 2
    assert [block.number for block in chain if block.is_config] == [0, 3]


async def test_a_revoked_certificate_is_refused_at_once_and_after_a_restart(running: Running) -> None:
    operator = running.ledger.contract("org2")
    await operator.submit("put", "key", "value")
    organisation = running.network.organisation("org2")
    path = organisation.revoke([OPERATOR])
    await running.consortium.change(lambda root: edits.with_revocations(root, "Org2MSP", [path.read_bytes()]))
    with pytest.raises(EvaluateError, match="access denied"):
        await operator.evaluate("get", "key")
    with pytest.raises(EndorseError):
        await operator.submit("put", "key", "other")
    with pytest.raises(DeliverError) as refused:
        async for _ in blocks(
            running.ledger.connection, running.ledger.identities["org2"], CHANNEL, stop="newest"
        ):
            pass
    assert refused.value.status == "FORBIDDEN"
    assert await running.ledger.contract("org1").evaluate("get", "key") == b"value"


async def test_a_configuration_outlives_the_process(tmp_path: Path) -> None:
    network = Network.create(tmp_path / "network")
    path = network.organisation("org2").revoke([OPERATOR])
    async with embedded(network, tmp_path / "ledger.db", KeyValue()) as ledger:
        here = Running(network, ledger, tmp_path)
        await here.consortium.change(
            lambda root: edits.with_revocations(root, "Org2MSP", [path.read_bytes()])
        )
    async with embedded(network, tmp_path / "ledger.db", KeyValue()) as ledger:
        with pytest.raises(EvaluateError, match="access denied"):
            await ledger.contract("org2").evaluate("get", "key")
        await ledger.contract("org1").submit("put", "key", "value")
        report = await ledger.verify()
        assert report.transactions["CONFIG", "VALID"] == 2


async def test_what_was_endorsed_before_a_revocation_is_not_ordered_after_it(running: Running) -> None:
    endorsed = await running.ledger.contract("org2").endorse("put", "key", "value")
    path = running.network.organisation("org2").revoke([OPERATOR])
    await running.consortium.change(lambda root: edits.with_revocations(root, "Org2MSP", [path.read_bytes()]))
    with pytest.raises(SubmitError, match="permission denied"):
        await endorsed.submit()


async def test_who_reads_is_cut_off_by_its_revocation(running: Running) -> None:
    """The block that revokes is not sent to the one it revokes, as on Fabric."""
    seen: list[int] = []

    async def follow() -> None:
        stream = blocks(running.ledger.connection, running.ledger.identities["audit"], CHANNEL)
        async for block in stream:
            seen.append(block.header.number)  # noqa: PERF401 - it must hold them when the stream breaks off

    following = asyncio.create_task(follow())
    path = running.network.organisation("audit").revoke(["auditor"])
    await running.consortium.change(
        lambda root: edits.with_revocations(root, "AuditMSP", [path.read_bytes()])
    )
    with pytest.raises(DeliverError) as refused:
        await following
    assert refused.value.status == "FORBIDDEN"
    assert seen == [0, 1]
    path.unlink()
    await running.consortium.change(lambda root: edits.with_revocations(root, "AuditMSP", []))


async def test_a_fourth_member_joins_endorses_and_leaves(running: Running) -> None:
    grown = running.network.with_organisation("org4", OrganisationKind.MEMBER)
    fourth = grown.organisation("org4")
    changed = await running.consortium.change(
        lambda root: edits.with_member(root, fourth.msp_id, fourth.definition())
    )
    assert edits.members(changed.config.root) == ["Org1MSP", "Org2MSP", "Org3MSP", "Org4MSP"]
    contract = running.ledger.contract_as(running.identity("Org4MSP", OPERATOR))
    assert await contract.evaluate("who") == b"Org4MSP operator"
    await contract.submit("put", "key", "value")
    with pytest.raises(CommitError, match="ENDORSEMENT_POLICY_FAILURE"):
        await contract.submit("put", "key", "two", endorsing_organizations=["Org1MSP", "Org4MSP"])
    await contract.submit("put", "key", "three", endorsing_organizations=["Org1MSP", "Org2MSP", "Org4MSP"])

    await running.consortium.change(lambda root: edits.without(root, "Org4MSP"))
    with pytest.raises(EvaluateError, match="access denied"):
        await contract.evaluate("get", "key")
    members = running.ledger.contract()
    await members.submit("put", "key", "two", endorsing_organizations=["Org1MSP", "Org2MSP"])
    with pytest.raises(EndorseError, match=r"endorsing peers for org\(s\): Org4MSP"):
        await members.endorse("get", "key", endorsing_organizations=["Org4MSP"])


async def test_a_member_that_left_comes_back_with_its_keys(running: Running) -> None:
    before = running.identity("Org3MSP", PEER).certificate_pem
    await running.consortium.change(lambda root: edits.without(root, "Org3MSP"))
    smaller = running.network.without_organisation("org3")
    again = smaller.with_organisation("org3", OrganisationKind.MEMBER).organisation("org3")
    await running.consortium.change(lambda root: edits.with_member(root, "Org3MSP", again.definition()))
    assert running.identity("Org3MSP", PEER).certificate_pem == before
    await running.ledger.contract("org3").submit(
        "put", "key", "value", endorsing_organizations=["Org2MSP", "Org3MSP"]
    )


async def test_a_new_auditor_reads_and_does_not_write(running: Running) -> None:
    second = running.network.with_organisation("watch", OrganisationKind.AUDITOR).organisation("watch")
    await running.consortium.change(lambda root: edits.with_auditor(root, "WatchMSP", second.definition()))
    contract = running.ledger.contract_as(running.identity("WatchMSP", AUDITOR))
    assert await contract.evaluate("who") == b"WatchMSP auditor"
    with pytest.raises(SubmitError, match="/Channel/Writers"):
        await contract.submit("put", "key", "value")


def two_batches(current: ConfigInForce) -> list[ConfigUpdateRequest]:
    return [
        ConfigUpdateRequest.between(
            current.config, edits.with_batches(current.config.root, max_message_count=n)
        )
        for n in (5, 6)
    ]


async def test_an_update_goes_from_admin_to_admin_as_a_file(running: Running, tmp_path: Path) -> None:
    current = await running.consortium.configuration()
    request = ConfigUpdateRequest.between(current.config, edits.without(current.config.root, "Org3MSP"))
    file = tmp_path / "update.pb"
    file.write_bytes(request.to_bytes())
    with pytest.raises(ConsentError, match="nobody signed"):
        await running.submit(ConfigUpdateRequest.from_bytes(file.read_bytes()), current)
    for msp_id in ("Org1MSP", "Org2MSP"):
        signed = ConfigUpdateRequest.from_bytes(file.read_bytes()).signed_by(running.identity(msp_id))
        file.write_bytes(signed.to_bytes())
    changed = await running.submit(ConfigUpdateRequest.from_bytes(file.read_bytes()), current)
    assert changed.config.sequence == 1


async def test_of_two_updates_one_comes_first(running: Running) -> None:
    current = await running.consortium.configuration()
    first, second = (each.signed_by(running.identity("OrdererMSP")) for each in two_batches(current))
    both = [running.submit(each, current) for each in (first, second)]
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    assert sum(isinstance(outcome, ConfigInForce) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, ConfigOvertakenError) for outcome in outcomes) == 1
    with pytest.raises(ConfigOvertakenError):
        await running.submit(second, await running.consortium.configuration())


async def test_an_update_that_is_in_force_already_is_no_failure(running: Running) -> None:
    """As where an orderer took it and its answer got lost: the next one sees it as overtaken, by itself."""
    current = await running.consortium.configuration()
    request = two_batches(current)[0].signed_by(running.identity("OrdererMSP"))
    first = await running.submit(request, current)
    again = await running.submit(request, current)
    assert first.block_number == again.block_number


async def test_updates_that_are_not_in_each_others_way_both_come(running: Running) -> None:
    current = await running.consortium.configuration()
    batches = two_batches(current)[0].signed_by(running.identity("OrdererMSP"))
    anchors = ConfigUpdateRequest.between(
        current.config, edits.with_anchor_peers(current.config.root, "Org2MSP", [Address("peer", 1)])
    ).signed_by(running.identity("Org2MSP"))
    await asyncio.gather(*(running.submit(each, current) for each in (batches, anchors)))
    config = (await running.consortium.configuration()).config
    assert (config.sequence, config.orderer.max_message_count) == (2, 5)


async def test_the_ledger_refuses_what_lacks_consent(running: Running) -> None:
    """Whatever the client looked at before: the word is the orderer's."""
    current = await running.consortium.configuration()
    request = two_batches(current)[0].signed_by(running.identity("Org1MSP"))
    with pytest.raises(
        BroadcastError, match=r"policy for \[Value\]  /Channel/Orderer/BatchSize not satisfied"
    ) as refused:
        await broadcast(running.orderers, request.envelope(running.identity("Org1MSP"), datetime.now(UTC)))
    assert refused.value.status == "BAD_REQUEST"


async def test_an_auditor_sends_no_update(running: Running) -> None:
    current = await running.consortium.configuration()
    request = two_batches(current)[0].signed_by(running.identity("OrdererMSP"))
    with pytest.raises(BroadcastError, match="permission denied") as refused:
        await running.submit(request, current, sender=running.ledger.identities["audit"])
    assert refused.value.status == "FORBIDDEN"


async def test_the_next_orderer_is_asked_where_one_is_down(running: Running) -> None:
    current = await running.consortium.configuration()
    request = two_batches(current)[0].signed_by(running.identity("OrdererMSP"))
    down = OrdererEndpoint("127.0.0.1:1", running.ledger.tls_roots)
    with pytest.raises(BroadcastError, match=r"127\.0\.0\.1:1") as refused:
        await running.submit(request, current, orderers=[down])
    assert refused.value.status == "UNAVAILABLE"
    with pytest.raises(BroadcastError, match="names no orderer"):
        await running.submit(request, current, orderers=[])
    await running.submit(request, current, orderers=[down, *running.orderers])


@pytest.mark.parametrize(
    ("garble", "message"),
    [
        (lambda payload: payload.ClearField("data"), "update is for channel ''|error converting"),
        (lambda payload: setattr(payload, "data", b"\xff"), "error converting envelope to config update"),
    ],
    ids=["empty", "rubbish"],
)
async def test_a_request_that_is_none(running: Running, garble: Callable[[Any], None], message: str) -> None:
    current = await running.consortium.configuration()
    sender = running.identity("Org1MSP")
    envelope = two_batches(current)[0].envelope(sender, datetime.now(UTC))
    payload = common_pb2.Payload.FromString(envelope.payload)
    garble(payload)
    with pytest.raises(BroadcastError, match=message):
        await broadcast(running.orderers, signed_envelope(payload, sender))


async def test_a_transaction_reaches_the_ledger_without_a_gateway_too(running: Running) -> None:
    """A client that knows the orderers may hand them a transaction, as on Fabric."""
    transaction = await running.ledger.contract().endorse("put", "key", "value")
    await broadcast(running.orderers, transaction.sign().to_proto())
    assert (await transaction.commit_status()).code_name == "VALID"


async def test_a_peer_that_makes_up_a_configuration(running: Running) -> None:
    """It names a block as the config block that is none."""
    await running.ledger.contract().submit("put", "key", "value")
    current = await running.consortium.configuration()
    chain = await running.ledger.chain()
    with pytest.raises(VerificationError, match="named as a config block, and is none"):
        current.followed_by(decode_block(chain[-1]))
