"""A challenge is answered once, in time, by whom it was given to, with the node's key."""

from dataclasses import fields, replace
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from veilmesh_fabric.signing import EcdsaSigner
from veilmesh_node.cluster.challenge import LIFE_S, MAX_OPEN, Challenges, Statement, verify_statement
from veilmesh_node.cluster.errors import AdmissionRefusedError

KEY = ec.generate_private_key(ec.SECP256R1())
STATEMENT = Statement("c1", "ab" * 32, 1030, "org2-node", "11" * 32, "22" * 32)


def public(key: EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def signature(statement: Statement, key: EllipticCurvePrivateKey = KEY) -> bytes:
    return EcdsaSigner(key).sign(statement.to_bytes())


def test_the_signer_is_named_as_the_ledger_names_identities() -> None:
    assert verify_statement(STATEMENT, public(KEY), signature(STATEMENT)) == sha256(public(KEY)).hexdigest()


@pytest.mark.parametrize("field", [each.name for each in fields(Statement)])
def test_every_part_of_the_statement_is_signed(field: str) -> None:
    changes: dict[str, Any] = {field: 1031 if field == "expires_at_s" else "other"}
    changed = replace(STATEMENT, **changes)
    with pytest.raises(AdmissionRefusedError, match="not signed with the node's key"):
        verify_statement(changed, public(KEY), signature(STATEMENT))


def test_another_key() -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    with pytest.raises(AdmissionRefusedError, match="not signed"):
        verify_statement(STATEMENT, public(other), signature(STATEMENT))


@pytest.mark.parametrize("der", [b"", b"no key", public(KEY)[:-3]], ids=["empty", "text", "cut short"])
def test_no_key_at_all(der: bytes) -> None:
    with pytest.raises(AdmissionRefusedError, match="not signed"):
        verify_statement(STATEMENT, der, signature(STATEMENT))


def test_a_key_of_a_kind_that_fabric_does_not_use() -> None:
    key = rsa.generate_private_key(65537, 2048)
    with pytest.raises(AdmissionRefusedError, match="of a kind"):
        verify_statement(STATEMENT, public(key), b"")


class Clock:
    now_s = 1000

    def __call__(self) -> int:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_challenge_is_good_once(clock: Clock) -> None:
    challenges = Challenges(clock)
    challenge = challenges.issue("org2-node", "22" * 32)
    assert challenges.redeem(challenge.nonce, "org2-node", "22" * 32) == challenge
    with pytest.raises(AdmissionRefusedError, match="answered before"):
        challenges.redeem(challenge.nonce, "org2-node", "22" * 32)


@pytest.mark.parametrize(("node_id", "certificate"), [("org3-node", "22" * 32), ("org2-node", "33" * 32)])
def test_a_challenge_is_for_one_node_and_certificate(clock: Clock, node_id: str, certificate: str) -> None:
    challenges = Challenges(clock)
    nonce = challenges.issue("org2-node", "22" * 32).nonce
    with pytest.raises(AdmissionRefusedError, match="given to another"):
        challenges.redeem(nonce, node_id, certificate)
    with pytest.raises(AdmissionRefusedError, match="answered before"):  # nor is it good any more
        challenges.redeem(nonce, "org2-node", "22" * 32)


def test_a_challenge_expires(clock: Clock) -> None:
    challenges = Challenges(clock)
    nonce = challenges.issue("org2-node", "22" * 32).nonce
    clock.now_s += LIFE_S
    with pytest.raises(AdmissionRefusedError, match="expired"):
        challenges.redeem(nonce, "org2-node", "22" * 32)


def test_one_open_challenge_a_certificate(clock: Clock) -> None:
    challenges = Challenges(clock)
    earlier = challenges.issue("org2-node", "22" * 32).nonce
    challenges.issue("org2-node", "22" * 32)
    with pytest.raises(AdmissionRefusedError):
        challenges.redeem(earlier, "org2-node", "22" * 32)


def test_open_challenges_are_bounded(clock: Clock) -> None:
    challenges = Challenges(clock)
    for number in range(MAX_OPEN):
        challenges.issue("org2-node", f"{number:064x}")
    with pytest.raises(AdmissionRefusedError, match="too many"):
        challenges.issue("org2-node", "ff" * 32)
    clock.now_s += LIFE_S
    assert challenges.issue("org2-node", "ff" * 32)
