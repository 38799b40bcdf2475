"""The life of a consortium on a real network, by commands, with the nodes at work all the time.

A fourth organisation joins and verifies somebody; the policy changes while an authentication is open; the
chaincode is upgraded; a certificate is revoked; the organisation leaves; the auditor follows it all.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from veilmesh_chaincode.records.authentication import (
    Authentication,
    AuthenticationId,
    ConcludeAuthentication,
    OpenAuthentication,
    Outcome,
)
from veilmesh_chaincode.records.base import Document
from veilmesh_chaincode.records.enrolment import Reference, ReferenceKey
from veilmesh_chaincode.records.policy import ExchangeMode
from veilmesh_fabric import Contract, Gateway, SigningIdentity, connect
from veilmesh_network.network import Network
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.demo.consortium import Consortium, node_id
from veilmesh_node.demo.shell import Answer, must, run
from veilmesh_node.demo.story import PURPOSE, TERMS

from tests.fabric_network import require_binaries
from tests.scenario.settled import Settled, settle

pytestmark = [pytest.mark.fabric, pytest.mark.faces, pytest.mark.slow]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settled]:
    require_binaries()
    consortium = Consortium(tmp_path_factory.mktemp("consortium"), ("--fabric",))
    try:
        yield settle(consortium)
    finally:
        consortium.stop()


class Ledger:
    """The contract as a node's own identity uses it, past its node."""

    def __init__(self, settled: Settled, organisation: str) -> None:
        self._network = Network.load(settled.consortium.network)
        self._msp_id = self._network.organisation(organisation).msp_id
        self._msp = settled.consortium.home(organisation) / "msp"

    def submit(self, function: str, request: Document) -> bytes:
        async def submit() -> bytes:
            async with self._contract() as contract:
                return (await contract.submit(function, request.to_bytes())).result

        return asyncio.run(submit())

    def evaluate(self, function: str, request: Document) -> bytes:
        async def evaluate() -> bytes:
            async with self._contract() as contract:
                return await contract.evaluate(function, request.to_bytes())

        return asyncio.run(evaluate())

    @asynccontextmanager
    async def _contract(self) -> AsyncIterator[Contract]:
        address, roots = self._network.gateways(self._msp_id)[0], self._network.tls_roots.read_bytes()
        async with connect(address, roots) as channel:
            identity = SigningIdentity.from_msp_folder(self._msp, self._msp_id)
            yield Gateway(channel, identity).contract(self._network.channel, self._network.chaincode)


def test_the_life_of_a_consortium(life: Settled) -> None:
    org4 = _a_fourth_organisation_joins(life)
    assert _verifies(life, org4).exit_code is ExitCode.OK

    _the_policy_changes_while_an_authentication_is_open(life)
    assert _verifies(life, org4).refusal == "LOCKED_OUT"

    before = must("history", life.reference_id, "--home", life.org2)
    assert must("network", "upgrade", "1.1", "--dir", life.consortium.network)
    assert must("network", "status", "--dir", life.consortium.network)["chaincode"]["sequence"] == 2
    assert must("history", life.reference_id, "--home", life.org2) == before
    assert _verifies(life, life.org2).exit_code is ExitCode.OK

    must("network", "revoke", "org4", node_id("org4"), "--dir", life.consortium.network)
    refused = _verifies(life, org4)
    assert (refused.exit_code, "access denied" in str(refused)) == (ExitCode.REFUSED, True), refused
    assert _verifies(life, life.org2).exit_code is ExitCode.OK

    life.consortium.stop_node(org4)
    must("network", "expel", "org4", "--dir", life.consortium.network)
    org3 = life.consortium.home("org3")
    life.consortium.init_node(
        "org3", node_id("org3"), org3
    )  # from where its operator votes; it is not started
    for home in (life.org1, life.org2, org3):  # three of four
        must("registry", "expel", "Org4MSP", "--home", home)
    organisations = must("registry", "organisations", "--home", life.org1)
    assert "Org4MSP" not in organisations["members"]
    assert _verifies(life, life.org2).exit_code is ExitCode.OK

    audited = must("audit", "verify", "--home", life.consortium.auditor)
    assert audited["types"]["CONFIG VALID"] >= 3  # joining, revoking, leaving
    assert len(audited["peers"]) == 3


def _a_fourth_organisation_joins(life: Settled) -> Path:
    """Its peer joins the channel, members vote it in, its node registers and is approved."""
    network, org4 = life.consortium.network, life.consortium.home("org4")
    must("network", "admit", "org4", "--dir", network)
    for home in (life.org1, life.org2):
        must("registry", "admit", "Org4MSP", "--home", home)
    assert "Org4MSP" in must("registry", "organisations", "--home", life.org1)["members"]
    life.consortium.init_node("org4", node_id("org4"), org4)
    # The others' nodes take calls from those whose TLS authorities their operators have entered.
    authority = network / "organisations" / "org4.example.com" / "tlsca" / "cert.pem"
    roots = life.org1 / "exchange-roots.pem"
    roots.write_bytes(roots.read_bytes() + authority.read_bytes())
    life.consortium.start_node(org4)
    life.consortium.await_node(org4)
    statuses = [
        must("registry", "approve", node_id("org4"), "--home", home)["status"]
        for home in (life.org1, life.org2, org4)
    ]
    assert statuses == ["pending", "pending", "active"]  # three of four are a majority
    return org4


def _the_policy_changes_while_an_authentication_is_open(life: Settled) -> None:
    """One failure locks out under the new policy, also one of an authentication opened under the old."""
    owner, relying = Ledger(life, "org1"), Ledger(life, "org4")
    reference = Reference.from_bytes(
        relying.evaluate("enrolment:Get", ReferenceKey(reference_id=life.reference_id))
    )
    opening = OpenAuthentication(
        reference_id=life.reference_id,
        purpose=PURPOSE,
        mode=ExchangeMode.SEALED,
        probe_commitment="ab" * 32,
        model_digest=reference.model_digest,
    )
    opened = Authentication.from_bytes(relying.submit("authentication:Open", opening))
    assert opened.policy_version == 1

    terms = life.consortium.folder / "stricter.toml"
    terms.write_text(TERMS.replace("attempt_limit = 3", "attempt_limit = 1"))
    proposal = must("policy", "propose", terms, "--home", life.org1)["proposal_id"]
    for home in (life.org2, life.consortium.home("org4")):
        must("policy", "vote", proposal, "--home", home)
    assert must("policy", "show", "--home", life.org2)["version"] == 2

    concluding = ConcludeAuthentication(authentication_id=opened.authentication_id, outcome=Outcome.NO_MATCH)
    owner.submit("authentication:Conclude", concluding)
    asked = AuthenticationId(authentication_id=opened.authentication_id)
    concluded = Authentication.from_bytes(owner.evaluate("authentication:Get", asked))
    assert (concluded.outcome, concluded.policy_version) == (Outcome.NO_MATCH, 1)


def _verifies(life: Settled, home: Path) -> Answer:
    claim = ("--reference", life.reference_id, "--purpose", PURPOSE)
    return run("verify", life.person.pictures[1], *claim, "--home", home)
