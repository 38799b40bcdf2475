"""The signatures that stand in a block, and whether they hold.

Checking a signature needs no more than the signer's certificate, so it can be done ahead and elsewhere
(`verification_pool.py`), while whether the signer is a member, and whether the signatures suffice, is decided
in order by `verification.py`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import NamedTuple, Protocol, TypeAlias

from fabric_protos.msp import identities_pb2

from veilmesh_fabric.block import Block
from veilmesh_fabric.certificates import read_certificate
from veilmesh_fabric.channel_config import Consenter
from veilmesh_fabric.errors import DecodeError, IdentityError
from veilmesh_fabric.verifying_key import NoKey, PublicKey, VerifyingKey, verifying_key
from veilmesh_fabric.wire import decode

_REMEMBERED_KEYS = 4096


class SignedMessage(NamedTuple):
    """A signature and what it covers, `message || suffix`.

    All endorsers of a transaction sign the same answer, each with their own identity behind it. The two are
    kept apart, since anybody who may write can have a long answer ordered with thousands of endorsements, and
    joined they would be as many copies of it.
    """

    signer: bytes  # SerializedIdentity
    signature: bytes
    message: bytes
    suffix: bytes = b""


class TransactionSignatures(NamedTuple):
    creator: bool
    endorsements: tuple[bool, ...]


@dataclass(frozen=True, slots=True)
class BlockSignatures:
    """Which of a block's signatures hold, in the order in which they stand."""

    orderers: tuple[bool, ...]
    transactions: tuple[TransactionSignatures, ...]

    @property
    def count(self) -> int:
        return len(self.orderers) + sum(1 + len(each.endorsements) for each in self.transactions)


Pending: TypeAlias = Callable[[], Sequence[bool]]
"""Gives the results when called, waiting if need be."""


class SignatureChecks(Protocol):
    def start(self, messages: Sequence[SignedMessage]) -> Pending:
        """Begin to check signatures."""
        ...


class InlineChecks:
    """Checks at once, in this process."""

    def start(self, messages: Sequence[SignedMessage]) -> Pending:
        results = [signature_holds(*each) for each in messages]
        return lambda: results


def signature_holds(signer: bytes, signature: bytes, message: bytes, suffix: bytes = b"") -> bool:
    """Whether `signature` is of `message || suffix` by the key in the signer's certificate."""
    key = _verifying_key(signer)
    return key.holds(signature, key.prepared(message, suffix))


@lru_cache(_REMEMBERED_KEYS)
def _verifying_key(signer: bytes) -> VerifyingKey:
    try:
        return verifying_key(public_key(signer))
    except IdentityError:
        return NoKey()


def public_key(signer: bytes) -> PublicKey:
    """Return the key in the certificate of a `SerializedIdentity` message.

    Raises:
        IdentityError: there is none that can be read.
    """
    try:
        identity = decode(identities_pb2.SerializedIdentity, signer, "identity")
    except DecodeError as err:
        raise IdentityError(str(err)) from err
    return read_certificate(identity.id_bytes).public_key


def signed_messages(block: Block, consenters: Mapping[int, Consenter]) -> list[SignedMessage]:
    """Return everything that is signed in `block`: by orderers, then by transaction, creator and endorsers.

    Args:
        block: to be checked.
        consenters: of the configuration in force; a number that is not among them has no key, so that its
            signature does not hold.
    """
    messages = []
    for each in block.metadata.signatures:
        signer = each.creator
        if each.consenter_id is not None:
            consenter = consenters.get(each.consenter_id)
            signer = consenter.serialized_identity if consenter else b""
        messages.append(SignedMessage(signer, each.signature, block.signed_by_orderer(each)))
    for transaction in block.transactions:
        creator = transaction.header.creator if transaction.header else b""
        messages.append(SignedMessage(creator, transaction.signature, transaction.payload))
        if transaction.endorsed:
            response = transaction.endorsed.proposal_response_payload
            messages.extend(
                SignedMessage(each.endorser, each.signature, response, each.endorser)
                for each in transaction.endorsed.endorsements
            )
    return messages


def block_signatures(block: Block, results: Sequence[bool]) -> BlockSignatures:
    """Return the results for `signed_messages(block, ...)` by what they belong to."""
    remaining = iter(results)
    return BlockSignatures(
        orderers=tuple(islice(remaining, len(block.metadata.signatures))),
        transactions=tuple(_transaction_signatures(block, remaining)),
    )


def _transaction_signatures(block: Block, remaining: Iterator[bool]) -> Iterator[TransactionSignatures]:
    for transaction in block.transactions:
        count = len(transaction.endorsed.endorsements) if transaction.endorsed else 0
        yield TransactionSignatures(next(remaining), tuple(islice(remaining, count)))
