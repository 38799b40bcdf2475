"""Blocks made to exhaust whoever verifies them: memory stays bounded, whatever a peer or a writer sends."""

import tracemalloc

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from fabric_protos.peer import transaction_pb2
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.rules import Rule
from veilmesh_fabric.signature_checks import SignedMessage
from veilmesh_fabric.signing import signer_from_pem
from veilmesh_fabric.verification import ChainVerifier, verify_blocks
from veilmesh_fabric.verification_pool import PooledChecks
from veilmesh_fabric.verification_report import Remarks

from tests.unit.fabric.forge import Channel, Writes
from tests.unit.fabric.identities import certificate_pem, key_pem
from tests.unit.fabric.recorded import recorded
from tests.unit.fabric.tampering import reopened

MIB = 1024 * 1024


def test_block_larger_than_orderers_make_is_not_looked_at() -> None:
    verifier = ChainVerifier()
    verifier.add(recorded("raft").blocks[0])
    assert verifier.standing is not None
    most = verifier.standing.configuration.config.orderer.absolute_max_bytes + 16 * MIB
    tracemalloc.start()
    violation = verifier.violation_of(bytes(most + 1))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert violation is not None
    assert (violation.rule, violation.block_number) == (Rule.BLOCK_SIZE, 1)
    assert peak < most + MIB
    smaller = verifier.violation_of(bytes(most))
    assert smaller is not None
    assert smaller.rule == Rule.ENCODING


def test_long_answer_with_many_endorsements_is_not_copied_for_each() -> None:
    """500 endorsements of 1 MB would be as many copies of it."""
    channel = Channel()
    channel.add(channel.definition())
    transaction = channel.transaction(Writes(writes={"a": bytes(MIB)}), endorsers=channel.peers[:1])
    with reopened(transaction, channel.clients[0]) as opened:
        opened.endorsements.extend([opened.endorsements[0]] * 500)
    channel.add(transaction, codes=[transaction_pb2.ENDORSEMENT_POLICY_FAILURE])
    verifier = ChainVerifier()
    for block in channel.blocks[:2]:
        verifier.add(block)
    tracemalloc.start()
    verifier.add(channel.blocks[2])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert verifier.report().signatures > 500
    assert peak < 16 * MIB


def test_long_messages_that_are_not_hashed_first_go_to_workers_in_small_parts() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    signer = SigningIdentity("Org1MSP", certificate_pem(key), signer_from_pem(key_pem(key)))
    answer = bytes(MIB)
    signature = signer.sign(answer + signer.creator)
    good = SignedMessage(signer.creator, signature, answer, signer.creator)
    messages = [good if number != 7 else good._replace(suffix=b"another") for number in range(40)]
    with PooledChecks(workers=1) as checks:
        tracemalloc.start()
        results = checks.start(messages)()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert results == [number != 7 for number in range(40)]
    assert peak < 16 * MIB  # a part of 4, once as jobs, marshalled and framed


def test_worthless_endorsements_do_not_fill_the_report() -> None:
    channel = Channel()
    channel.add(channel.definition())
    transaction = channel.transaction(Writes(writes={"a": b"1"}))
    with reopened(transaction, channel.clients[0]) as opened:
        for number in range(1200):
            opened.endorsements.add(signature=number.to_bytes(2))
    channel.add(transaction)
    report = verify_blocks(channel.blocks)
    assert report.violation is None
    assert len(report.notes) == 1001
    assert report.notes[-1] == "and 200 more"


@pytest.mark.parametrize(("count", "last"), [(1, "remark 0"), (1000, "remark 999"), (1003, "and 3 more")])
def test_remarks_are_counted_beyond_a_thousand(count: int, last: str) -> None:
    remarks = Remarks()
    for number in range(count):
        remarks.add(f"remark {number}")
    assert remarks.all()[-1] == last
