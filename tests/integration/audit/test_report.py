"""An auditor's report tells from the blocks alone what a consortium of three did."""

import asyncio
import json
import re
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from veilmesh_chaincode.chaincode import Chaincode, Response
from veilmesh_chaincode.keys import POLICY_PROPOSALS, REFERENCES
from veilmesh_chaincode.records.audit import AccessLogEntry, LogAccess, LogSearch, SearchLogEntry
from veilmesh_chaincode.records.authentication import Outcome
from veilmesh_chaincode.records.release import Anchor, AnchorBatch
from veilmesh_chaincode.stub import Stub
from veilmesh_network.network import Network
from veilmesh_node.cli.client_home import ClientHome
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.demo.shell import run

from tests.integration.audit.conftest import Serve, auditor_home
from tests.integration.audit.deliver_server import delivering
from tests.integration.audit.live_world import LiveWorld
from tests.integration.ledger.ledger import CHAINCODE, embedded
from tests.unit.chaincode.consortium import MODEL, TERMS, digest, identity, sidecar


class FeigningChaincode(Chaincode):
    """What the peer of an owner runs who would like to have voted for somebody else."""

    async def invoke(self, stub: Stub, args: Sequence[bytes]) -> Response:
        if args[0] != b"feign":
            return await super().invoke(stub, args)
        key = REFERENCES.key(args[1].decode())
        value = await stub.get_state(key) or b""
        await stub.put_state(key, value)
        stub.set_event("policy:Vote", b"{}")
        return Response(200, "", value)


@pytest.fixture(scope="module")
def story(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Sequence[bytes]:
    """The chain of a consortium that did a little of everything."""

    async def live() -> list[bytes]:
        feigning = {"Org1MSP": {CHAINCODE: FeigningChaincode()}}
        folder = tmp_path_factory.mktemp("story")
        async with embedded(network, folder / "ledger.db", Chaincode(), feigning) as ledger:
            world = LiveWorld(ledger, network)
            await world.establish()
            refused = await world.propose("Org3MSP", 1, TERMS.replace(attempt_limit=9))
            await world.vote("Org1MSP", refused.proposal_id, approve=False)
            reference = await world.enrol("Org1MSP")
            await world.update("Org1MSP", reference)
            for outcome in (Outcome.MATCH, Outcome.NO_MATCH):
                opened = await world.open("Org2MSP", reference.reference_id)
                await world.conclude("Org1MSP", opened.authentication_id, outcome)
            opened = await world.open("Org3MSP", reference.reference_id)
            await world.cancel("Org3MSP", opened.authentication_id)
            await world.open("Org3MSP", reference.reference_id)
            batch = AnchorBatch(merkle_root=digest("batch"), leaf_count=1000)
            await world.call(sidecar("Org2MSP"), "release:Anchor", batch, Anchor)
            order = await world.unseal("Org2MSP")
            await world.consent_unsealing("Org3MSP", order.unsealing_id)
            question = LogAccess(question="who verified <this> reference?")
            await world.call(identity("Org2MSP", "auditor"), "audit:LogAccess", question, AccessLogEntry)
            search = LogSearch(
                purpose="identification",
                model_digest=MODEL,
                picture_commitment=digest("picture"),
                face_count=3,
                gallery_count=1,
                match_count=1,
            )
            await world.call(sidecar("Org1MSP"), "audit:LogSearch", search, SearchLogEntry)
            contract = ledger.contract("org1")
            feigned = await contract.endorse(
                "feign", reference.reference_id, endorsing_organizations=["Org1MSP"]
            )
            await feigned.submit()
            assert (await feigned.commit_status()).code_name == "VALID"
            proposal = await contract.endorse(
                "policy:Propose",
                b'{"base_version":1,"terms":' + TERMS.to_bytes() + b"}",
                endorsing_organizations=["Org1MSP"],
            )
            await proposal.submit()
            assert (await proposal.commit_status()).code_name == "ENDORSEMENT_POLICY_FAILURE"
            return await ledger.chain()

    return asyncio.run(live())


@pytest.fixture
def reader(home: Path) -> Path:
    """The auditor's folder, for the chaincode's name in these tests."""
    return _reader(home)


def _reader(home: Path) -> Path:
    client = ClientHome.load(home)
    client.model_copy(update={"chaincode": CHAINCODE}).write(home)
    return home


@pytest.fixture(scope="module")
def folder(story: Sequence[bytes], network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the report of two organisations' peers is written."""
    folder = tmp_path_factory.mktemp("reported")
    reader = _reader(auditor_home(network, folder))
    with (
        delivering(story, network.organisation("org1").tls) as org1,
        delivering(story, network.organisation("org2").tls) as org2,
    ):
        addresses = ["--peer", org1.address, "--peer", org2.address]
        answer = run("audit", "report", folder / "report", "--home", reader, *addresses)
    assert answer.exit_code is ExitCode.OK
    return folder / "report"


@pytest.fixture(scope="module")
def report(folder: Path) -> Any:
    return json.loads((folder / "report.json").read_text())


def functions(report: Any, msp_id: str) -> list[tuple[str, str]]:
    decisions = report["chronicle"]["organizations"][msp_id]["decisions"]
    return [(each["function"], each["outcome"]) for each in decisions]


def test_what_was_verified_and_by_whom(report: Any, story: Sequence[bytes]) -> None:
    verified = report["verified"]
    assert verified["holds"]
    assert verified["blocks"] == len(story)
    assert verified["auditor"]["msp_id"] == "AuditMSP"
    assert re.fullmatch("[0-9a-f]{64}", verified["auditor"]["certificate_sha256"])
    assert [peer["organization"] for peer in verified["peers"]] == ["Org1MSP", "Org2MSP"]
    assert verified["checks"]["data-hash"] == len(story)
    assert verified["checks"]["endorsement-policy"] == verified["transactions"] - 1
    assert verified["checks"]["commit-hash"] == len(story) - 1


def test_policies_are_told_by_who_voted_how(report: Any) -> None:
    policies = {
        msp_id: [outcome for function, outcome in functions(report, msp_id) if function.startswith("policy:")]
        for msp_id in ("Org1MSP", "Org2MSP", "Org3MSP")
    }
    assert policies["Org1MSP"] == ["for; open (1 for, 0 against)", "against; open (1 for, 1 against)"]
    assert policies["Org2MSP"] == ["for; adopted (2 for, 0 against)"]
    assert policies["Org3MSP"] == ["for; open (1 for, 0 against)"]


def test_nodes_models_and_the_consortium(report: Any) -> None:
    first, *others = functions(report, "Org1MSP")
    assert any(function == "registry:FoundConsortium" for function, _ in [first, *others])
    approvals = [outcome for function, outcome in others if function == "registry:ApproveNode"]
    assert approvals == ["pending; votes Org1MSP"] * 3
    assert ("registry:ApproveNode", "active; votes Org1MSP, Org2MSP") in functions(report, "Org2MSP")
    assert ("registry:ApproveModel", "approved; votes Org1MSP, Org2MSP") in functions(report, "Org2MSP")
    assert ("registry:RegisterNode", "pending") in functions(report, "Org3MSP")


def test_authentications_by_owner_and_relying_organisation(report: Any) -> None:
    assert report["chronicle"]["authentications"] == {
        "Org1MSP": {
            "Org2MSP": {"opened": 2, "match": 1, "no-match": 1},
            "Org3MSP": {"opened": 2, "cancelled": 1},
        }
    }


def test_what_is_counted(report: Any) -> None:
    organizations = report["chronicle"]["organizations"]
    assert organizations["Org1MSP"]["enrolments"] == {"enrolment:Register": 1, "enrolment:Update": 1}
    assert (organizations["Org2MSP"]["batches"], organizations["Org2MSP"]["receipts"]) == (1, 1000)
    assert organizations["Org1MSP"]["searches"] == {
        "identification": {"searches": 1, "faces": 3, "matches": 1}
    }
    assert organizations["Org2MSP"]["accesses"] == 1


def test_unsealing_orders_and_consents(report: Any) -> None:
    assert ("release:Unseal", "requested; consents Org2MSP") in functions(report, "Org2MSP")
    assert ("release:ConsentUnsealing", "granted; consents Org2MSP, Org3MSP") in functions(report, "Org3MSP")


def test_an_owners_peer_alone_cannot_feign_a_vote(report: Any) -> None:
    (feigned,) = report["chronicle"]["unexplained"]
    assert feigned["organization"] == "Org1MSP"
    assert feigned["what"] == "claims to be policy:Vote, and wrote reference"
    assert POLICY_PROPOSALS.kind not in feigned["what"]


def test_invalid_transactions_by_code(report: Any) -> None:
    (invalid,) = report["chronicle"]["invalid"]
    assert (invalid["organization"], invalid["code"]) == ("Org1MSP", "ENDORSEMENT_POLICY_FAILURE")
    assert "endorsement policy of chaincode kv wants" in invalid["reason"]
    assert report["chronicle"]["organizations"]["Org1MSP"]["invalid"] == {"ENDORSEMENT_POLICY_FAILURE": 1}


def test_report_in_parts_is_the_same(
    story: Sequence[bytes], report: Any, reader: Path, serve: Serve, tmp_path: Path
) -> None:
    options = ("--home", reader, "--checkpoint", tmp_path / "checkpoint")
    for count in (1, 9, len(story)):
        peer = serve("org1", story[:count])
        answer = run("audit", "verify", *options, "--peer", peer.address)
        assert answer.exit_code is ExitCode.OK
    last = run("audit", "report", tmp_path / "parts", *options, "--peer", peer.address)
    assert last.document["chronicle"] == report["chronicle"]
    assert last.document["verified"]["verified_before"] == len(story)


def test_report_of_a_folder_and_of_a_broken_chain(story: Sequence[bytes], tmp_path: Path) -> None:
    blocks = tmp_path / "blocks"
    blocks.mkdir()
    for number, block in enumerate(story):
        (blocks / f"{number:04}.block").write_bytes(block if number != 7 else story[6])
    answer = run("audit", "report", tmp_path / "report", "--blocks", blocks)
    assert answer.exit_code is ExitCode.INTEGRITY
    assert answer.document["verified"]["auditor"] is None
    assert answer.document["verified"]["violation"]["block"] == 7
    page = (tmp_path / "report" / "report.html").read_text()
    assert "The chain does not hold" in page


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in {"meta", "link", "br", "img"}:
            self.open.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "srcset", "style"}]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_asks_for_nothing(report: Any, folder: Path) -> None:
    text = (folder / "report.html").read_text()
    page = _Page()
    page.feed(text)
    assert page.open == []
    assert not page.addresses
    assert not {"script", "link", "img", "iframe", "form", "object"} & set(page.seen)
    assert "url(" not in text
    assert "@import" not in text
    assert "who verified &lt;this&gt; reference?" in text
    for msp_id in report["chronicle"]["organizations"]:
        assert msp_id in text
