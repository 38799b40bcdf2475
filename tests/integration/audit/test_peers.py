"""An audit of several peers at once: a peer that alters, cuts short or invents is caught and named."""

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from fabric_protos.common import common_pb2
from veilmesh_network.certificates import CertificateAuthority
from veilmesh_network.network import Network
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.demo.shell import Answer, run

from tests.integration.audit.conftest import Serve
from tests.integration.audit.deliver_server import DeliverServer, delivering
from tests.unit.fabric.forge import Channel, serialized
from tests.unit.fabric.tampering import change_block, rehashed
from tests.unit.fabric.transaction_changes import flipped

Chain = Sequence[bytes]
ALTERED = 5
PATIENCE = ("--wait", "2")  # a busy machine serves a block within that


def verify(home: Path, *peers: DeliverServer, options: Sequence[str | Path] = PATIENCE) -> Answer:
    addresses = [word for peer in peers for word in ("--peer", peer.address)]
    return run("audit", "verify", "--home", home, *addresses, *options)


def changed(chain: Chain, change: Callable[[Any], None]) -> Chain:
    return [*chain[:ALTERED], change_block(chain[ALTERED], change), *chain[ALTERED + 1 :]]


def transaction(chain: Chain) -> Chain:
    def change(message: Any) -> None:
        message.data.data[0] = flipped(message.data.data[0])

    return changed(chain, change)


def transaction_and_all_hashes(chain: Chain) -> Chain:
    return rehashed(list(transaction(chain)), ALTERED)


def validation_code(chain: Chain) -> Chain:
    def change(message: Any) -> None:
        message.metadata.metadata[common_pb2.TRANSACTIONS_FILTER] = b"\x0b"

    return changed(chain, change)


def commit_hash(chain: Chain) -> Chain:
    def change(message: Any) -> None:
        entry = serialized(common_pb2.Metadata(value=b"h" * 32))
        message.metadata.metadata[common_pb2.COMMIT_HASH] = entry

    return changed(chain, change)


def orderer_signature(chain: Chain) -> Chain:
    def change(message: Any) -> None:
        metadata = common_pb2.Metadata.FromString(message.metadata.metadata[common_pb2.SIGNATURES])
        metadata.signatures[0].signature = flipped(metadata.signatures[0].signature)
        message.metadata.metadata[common_pb2.SIGNATURES] = serialized(metadata)

    return changed(chain, change)


def swapped(chain: Chain) -> Chain:
    return [*chain[:ALTERED], chain[ALTERED + 1], chain[ALTERED], *chain[ALTERED + 2 :]]


def forged_at_the_end(chain: Chain) -> Chain:
    stranger = Channel()
    stranger.blocks = list(chain)
    envelope = common_pb2.Block.FromString(chain[-1]).data.data[0]
    return [*chain, serialized(stranger.block(envelope))]


@pytest.mark.parametrize(
    ("lie", "what"),
    [
        (transaction, "transaction"),
        (transaction_and_all_hashes, "transaction"),
        (validation_code, "validation code"),
        (commit_hash, "commit hash"),
        (orderer_signature, "did not sign"),
        (swapped, "block number"),
        (forged_at_the_end, "height"),
    ],
)
def test_a_lying_peer_is_named(
    lie: Callable[[Chain], Chain], what: str, chain: Chain, home: Path, serve: Serve
) -> None:
    honest, liar = serve("org1", chain), serve("org2", lie(chain))
    for peers in ((honest, liar), (liar, honest)):
        answer = verify(home, *peers)
        violation = answer.document["violation"]
        assert answer.exit_code is ExitCode.INTEGRITY
        assert violation["rule"] == "peers-agree"
        assert violation["block"] == (len(chain) if lie is forged_at_the_end else ALTERED)
        assert what in violation["message"]
        assert list(violation["blamed"]) == [f"Org2MSP at {liar.address}"]
        assert answer.document["blocks"] == violation["block"]

    alone = verify(home, liar)
    assert alone.exit_code is ExitCode.INTEGRITY
    assert list(alone.document["violation"]["blamed"]) == [f"Org2MSP at {liar.address}"]


def test_what_each_peer_says_of_a_code_is_told(chain: Chain, home: Path, serve: Serve) -> None:
    honest, liar = serve("org1", chain), serve("org2", validation_code(chain))
    violation = verify(home, honest, liar).document["violation"]
    assert violation["said"] == {
        f"Org1MSP at {honest.address}": "VALID",
        f"Org2MSP at {liar.address}": "MVCC_READ_CONFLICT",
    }
    assert violation["transaction"]
    shown = run(
        "audit", "verify", "--home", home, "--peer", honest.address, "--peer", liar.address, as_json=False
    )
    assert shown.exit_code is ExitCode.INTEGRITY


def test_peers_that_agree(chain: Chain, home: Path, serve: Serve) -> None:
    peers = [serve(name, chain) for name in ("org1", "org2", "org3")]
    answer = verify(home, *peers)
    assert answer.exit_code is ExitCode.OK
    assert answer.document["blocks"] == len(chain)
    assert answer.document["commit_hashes"]
    assert answer.document["checks"]["peers-agree"] == len(chain)
    assert answer.document["codes"]["MVCC_READ_CONFLICT"] == 1
    assert [peer["organization"] for peer in answer.document["peers"]] == ["Org1MSP", "Org2MSP", "Org3MSP"]
    assert {peer["height"] for peer in answer.document["peers"]} == {len(chain)}


def test_a_chain_cut_short_is_told_from_one_that_lags(chain: Chain, home: Path, serve: Serve) -> None:
    whole, behind = serve("org1", chain), serve("org3", chain[:-3])
    cut = verify(home, whole, behind)
    assert cut.exit_code is ExitCode.INTEGRITY
    violation = cut.document["violation"]
    assert violation["block"] == len(chain) - 3
    assert list(violation["blamed"]) == [f"Org3MSP at {behind.address}"]
    assert f"ends at block {len(chain) - 4}" in violation["blamed"][f"Org3MSP at {behind.address}"]

    catching_up = threading.Timer(0.5, behind.add, [chain[-3:]])
    catching_up.start()
    lagging = verify(home, whole, behind, options=("--wait", "20"))
    catching_up.join()
    assert lagging.exit_code is ExitCode.OK
    assert lagging.document["blocks"] == len(chain)


def test_a_peer_that_does_not_deliver_what_it_has(chain: Chain, home: Path, serve: Serve) -> None:
    whole, slow = serve("org1", chain), serve("org2", chain, hidden=4)
    began = time.monotonic()
    answer = verify(home, whole, slow)
    assert time.monotonic() - began < 10
    assert (answer.exit_code, answer.refusal) == (ExitCode.UNAVAILABLE, "DELIVER_DEADLINE_EXCEEDED")
    said = answer.document["error"]["message"]
    assert f"Org2MSP at {slow.address} did not deliver block {len(chain) - 4}" in said
    assert "within 2 s" in said


def test_a_peer_that_answers_nothing(chain: Chain, home: Path, serve: Serve) -> None:
    whole, mute = serve("org1", chain), serve("org3", chain)
    mute.mute = True
    answer = verify(home, whole, mute)
    assert (answer.exit_code, answer.refusal) == (ExitCode.UNAVAILABLE, "DELIVER_DEADLINE_EXCEEDED")
    assert f"Org3MSP at {mute.address} does not say" in answer.document["error"]["message"]


def test_a_peer_that_is_away(chain: Chain, home: Path, serve: Serve, network: Network) -> None:
    whole = serve("org1", chain)
    with delivering(chain, network.organisation("org2").tls) as gone:
        pass
    answer = verify(home, whole, gone, options=("--wait", "5"))
    assert answer.exit_code is ExitCode.UNAVAILABLE
    assert answer.document["error"]["message"] == f"the peer at {gone.address}: Connection refused"


def test_a_peer_of_nobody_needs_roots_of_its_own(chain: Chain, home: Path, tmp_path: Path) -> None:
    stranger = CertificateAuthority.create("tlsca.elsewhere.example", "elsewhere.example")
    (tmp_path / "roots.pem").write_bytes(stranger.root.certificate_pem)
    with delivering(chain, stranger) as peer:
        answer = verify(home, peer, options=("--wait", "3"))
        assert answer.exit_code is ExitCode.UNAVAILABLE
        assert "which the TLS roots given here do not hold" in answer.document["error"]["message"]
        answer = verify(home, peer, options=("--tls-roots", tmp_path / "roots.pem"))
    assert answer.exit_code is ExitCode.OK
    assert answer.document["peers"][0]["organization"] is None


def test_one_peer_twice_is_no_comparison(chain: Chain, home: Path, serve: Serve) -> None:
    peer = serve("org1", chain)
    assert verify(home, peer, peer).exit_code is ExitCode.USAGE


def test_address_that_is_none(home: Path) -> None:
    assert run("audit", "verify", "--home", home, "--peer", "nowhere").exit_code is ExitCode.USAGE


def test_a_folder_has_no_peers(tmp_path: Path) -> None:
    answer = run("audit", "verify", "--blocks", tmp_path, "--peer", "127.0.0.1:1")
    assert answer.exit_code is ExitCode.USAGE


class TestCheckpoint:
    def test_only_new_blocks_are_read(self, chain: Chain, home: Path, serve: Serve, tmp_path: Path) -> None:
        checkpoint = ("--checkpoint", tmp_path / "checkpoint")
        peers = [serve(name, chain[:8]) for name in ("org1", "org2")]
        before = verify(home, *peers, options=checkpoint)
        assert (before.exit_code, before.document["blocks"]) == (ExitCode.OK, 8)
        for peer in peers:
            peer.add(chain[8:])
            peer.starts.clear()
        after = verify(home, *peers, options=checkpoint)
        assert after.exit_code is ExitCode.OK
        assert (after.document["verified_before"], after.document["blocks"]) == (8, len(chain))
        assert [peer.starts for peer in peers] == [[7], [7]]
        whole = verify(home, *peers)
        assert after.document["checks"].pop("peers-agree") == len(chain) - 8
        assert whole.document["checks"].pop("peers-agree") == len(chain)
        for counted in ("codes", "checks", "signatures", "last_header_hash", "organizations"):
            assert after.document[counted] == whole.document[counted]

    def test_a_peer_that_forgot_what_was_verified(
        self, chain: Chain, home: Path, serve: Serve, tmp_path: Path
    ) -> None:
        options = ("--checkpoint", tmp_path / "checkpoint", *PATIENCE)
        assert verify(home, serve("org1", chain), options=options).exit_code is ExitCode.OK
        for blocks in (chain[:-2], [*chain[:-1], chain[-2]]):
            liar = serve("org2", blocks)
            answer = verify(home, liar, options=options)
            assert answer.exit_code is ExitCode.INTEGRITY
            assert list(answer.document["violation"]["blamed"]) == [f"Org2MSP at {liar.address}"]

    def test_what_was_verified_before_a_failure_is_kept(
        self, chain: Chain, home: Path, serve: Serve, tmp_path: Path
    ) -> None:
        options = ("--checkpoint", tmp_path / "checkpoint")
        slow = serve("org1", chain, hidden=4)
        assert verify(home, slow, options=(*options, *PATIENCE)).exit_code is ExitCode.UNAVAILABLE
        answer = verify(home, serve("org1", chain), options=options)
        assert answer.exit_code is ExitCode.OK
        assert answer.document["verified_before"] > 0

    def test_a_violation_stays_one(self, chain: Chain, home: Path, serve: Serve, tmp_path: Path) -> None:
        options = ("--checkpoint", tmp_path / "checkpoint", *PATIENCE)
        liar = serve("org1", validation_code(chain))
        for _ in range(2):
            answer = verify(home, liar, options=options)
            assert answer.exit_code is ExitCode.INTEGRITY
            assert answer.document["violation"]["block"] == ALTERED

    def test_checkpoint_of_another_channel(
        self, chain: Chain, home: Path, serve: Serve, tmp_path: Path
    ) -> None:
        checkpoint = ("--checkpoint", tmp_path / "checkpoint")
        assert verify(home, serve("org1", chain), options=checkpoint).exit_code is ExitCode.OK
        (tmp_path / "other.block").write_bytes(Channel().blocks[0])
        other = ("--anchor", tmp_path / "other.block", *checkpoint)
        answer = verify(home, serve("org1", chain), options=other)
        assert (answer.exit_code, answer.refusal) == (ExitCode.FAILED, "CHECKPOINT")
        assert "another channel" in answer.document["error"]["message"]
