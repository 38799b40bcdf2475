"""One chain, as several organisations' peers have it.

    report = verify_peers([org1, org2], ChainVerifier(anchor))

The same block is read from every peer, and one copy is verified whole. Of the others it is enough that they
are the same, down to what orderers do not sign: the validation codes, and the commit hash, in which a peer
chains all codes and writes since block 1. Orderers' own signatures may differ from copy to copy and are
checked in each (`ordering_rules.py`).

The first difference ends verification. What every peer says is told, and each copy is tried against the
chain so far, so that whoever lies is named, in whichever order the peers stand:

- copies differ, and one breaks a rule: its peer altered it;
- a peer has a block more, which breaks a rule: it is forged;
- a peer has a block more, which holds: the others' chains are cut short, if they had time to catch up. That
  wait is the peers' own (`Peer.block`);
- copies differ, and each holds by itself: orderers signed two chains, or one peer keeps no commit hashes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Protocol

from fabric_protos.common import common_pb2

from veilmesh_fabric.block import (
    Block,
    BlockHeader,
    BlockMetadata,
    data_hash,
    decode_metadata,
    header_hash,
)
from veilmesh_fabric.committed_transaction import TxValidationCode, decode_transaction
from veilmesh_fabric.errors import DecodeError, PeersDisagreeError, VerificationError
from veilmesh_fabric.rules import Rule
from veilmesh_fabric.signature_checks import InlineChecks, SignatureChecks
from veilmesh_fabric.standing import Standing
from veilmesh_fabric.verification import ChainVerifier, Progress, checked_ahead
from veilmesh_fabric.verification_report import VerificationReport
from veilmesh_fabric.wire import decode_canonical

_NOTHING = "nothing"


class Peer(Protocol):
    """A peer whose blocks are asked for one after the other."""

    @property
    def name(self) -> str:
        """Return how people call it: its organisation, and where it is."""
        ...

    def block(self, number: int) -> bytes | None:
        """Return the serialized block; None where the peer still has none after a while.

        Raises:
            DeliverError: it does not answer, or does not deliver what it says it has.
        """
        ...


def verify_peers(
    peers: Sequence[Peer],
    verifier: ChainVerifier,
    *,
    checks: SignatureChecks | None = None,
    total: int | None = None,
    progress: Progress | None = None,
) -> VerificationReport:
    """Verify the chain that all peers have, from the block that `verifier` expects on.

    Args:
        peers: one or more, of which the first one's copies are verified whole.
        verifier: at the start, or where an earlier verification stopped: then each peer must still have the
            last block that was verified.
        checks: where signatures are checked; in this process when not given.
        total: how many blocks there will be, for `progress`.
        progress: called after each block.

    Raises:
        DeliverError: as `Peer.block`.
    """
    compared = _ComparedPeers(peers, verifier.height)
    try:
        if verifier.standing is not None:
            _require_known(peers, verifier.standing)
        for block, signatures in checked_ahead(compared, verifier, checks or InlineChecks()):
            compared.require_ordered(block, verifier)
            verifier.accept(block, signatures)
            if progress:
                progress(block.number + 1, total)
        verifier.require_blocks()
    except _DifferenceError as found:
        return verifier.report(found.explained(verifier))
    except VerificationError as err:
        return verifier.report(err)
    return verifier.report()


@dataclass(frozen=True, slots=True)
class _Copy:
    """One peer's copy of a block, taken apart as far as it is compared."""

    header: BlockHeader
    data: tuple[bytes, ...]
    metadata: BlockMetadata

    @classmethod
    def read(cls, data: bytes) -> "_Copy":
        """Take a serialized block apart.

        Raises:
            DecodeError: it is none.
        """
        message = decode_canonical(common_pb2.Block, data, "block")
        return cls(
            BlockHeader(message.header.number, message.header.previous_hash, message.header.data_hash),
            tuple(message.data.data),
            decode_metadata(message.metadata.metadata),
        )

    def tx_id(self, index: int) -> str | None:
        """Return a transaction's id, if it is there and can be read."""
        header = decode_transaction(self.data[index]).header if index < len(self.data) else None
        return (header.tx_id or None) if header else None


@dataclass(frozen=True, slots=True)
class _Aspect:
    """Something that copies must agree on, item by item."""

    what: str
    items: Callable[[_Copy], Sequence[Any]]
    named: Callable[[Any], str]  # an item, as errors show it
    of_transactions: bool = False  # an item each


def _code_name(code: int) -> str:
    return TxValidationCode.Name(code) if code in TxValidationCode.values() else f"code {code}"


# In the order in which one follows from another.
_ASPECTS = (
    _Aspect("block number", lambda copy: (copy.header.number,), str),
    _Aspect("previous hash", lambda copy: (copy.header.previous_hash,), bytes.hex),
    _Aspect(
        "transaction", lambda copy: copy.data, lambda entry: f"SHA-256 {sha256(entry).hexdigest()}", True
    ),
    _Aspect("data hash", lambda copy: (copy.header.data_hash,), bytes.hex),
    _Aspect("validation code", lambda copy: copy.metadata.validation_codes, _code_name, True),
    _Aspect("commit hash", lambda copy: (copy.metadata.commit_hash,), lambda found: found.hex() or _NOTHING),
    _Aspect("obsolete metadata", lambda copy: copy.metadata.obsolete, lambda entry: entry.hex() or _NOTHING),
)


class _DifferenceError(VerificationError):
    """Copies of a block differ; what the chain says to each is not known yet."""

    def __init__(
        self,
        what: str,
        number: int,
        said: Mapping[str, str],
        copies: Mapping[str, bytes | None],
        *,
        tx_id: str | None = None,
    ) -> None:
        super().__init__(what, rule=Rule.PEERS_AGREE, block_number=number, tx_id=tx_id)
        self.what = what
        self._said = said
        self._copies = copies

    def explained(self, verifier: ChainVerifier) -> PeersDisagreeError:
        """Try each copy as the block that `verifier` expects next, and say whose breaks the chain."""
        there = {peer: data for peer, data in self._copies.items() if data is not None}
        verdicts = {data: verifier.violation_of(data) for data in set(there.values())}
        blamed = {
            peer: f"its copy breaks the chain: {violation.message} [{violation.rule}]"
            for peer, data in there.items()
            if (violation := verdicts[data])
        }
        missing = [peer for peer in self._copies if peer not in there]
        if missing and len(blamed) < len(there):
            ends = f"its chain ends at block {(self.block_number or 0) - 1}: it is cut short, or far behind"
            blamed |= dict.fromkeys(missing, ends)
        return PeersDisagreeError(
            f"peers disagree on the {self.what}: {_by_value(self._said)}",
            block_number=self.block_number,
            tx_id=self.tx_id,
            what=self.what,
            said=self._said,
            blamed=blamed,
        )


class _ComparedPeers:
    """The blocks that all peers have, one copy of each."""

    def __init__(self, peers: Sequence[Peer], start: int) -> None:
        self._peers = peers
        self._start = start
        self._otherwise_signed: dict[int, list[tuple[str, _Copy]]] = {}  # of blocks not judged yet

    def __iter__(self) -> Iterator[bytes]:
        """Yield the blocks, as far as any peer has them.

        Raises:
            VerificationError: copies differ.
        """
        number = self._start
        while True:
            copies = {peer.name: peer.block(number) for peer in self._peers}
            if all(data is None for data in copies.values()):
                return
            yield self._agreed(number, copies)
            number += 1

    def require_ordered(self, block: Block, verifier: ChainVerifier) -> None:
        """Verify what orderers say in those copies of the next block in which they say it otherwise.

        Raises:
            PeersDisagreeError: they did not.
        """
        for peer, copy in self._otherwise_signed.pop(block.number, ()):
            try:
                verifier.require_ordered(replace(block, metadata=copy.metadata))
            except VerificationError as err:
                raise PeersDisagreeError(
                    f"{peer} has a copy that orderers did not sign: {err.message}",
                    block_number=block.number,
                    what="orderers' metadata",
                    said={},
                    blamed={peer: f"{err.message} [{err.rule}]"},
                ) from err

    def _agreed(self, number: int, copies: Mapping[str, bytes | None]) -> bytes:
        first, *others = copies.values()
        if first is not None and all(data == first for data in others):
            return first
        if None in copies.values():
            said = {peer: _NOTHING if data is None else "the block" for peer, data in copies.items()}
            raise _DifferenceError("height", number, said, copies)
        read = _read(number, copies)
        _require_same(number, read, copies)
        self._otherwise_signed[number] = list(read.items())
        return first or b""


def _read(number: int, copies: Mapping[str, bytes | None]) -> dict[str, _Copy]:
    read, said = {}, {}
    for peer, data in copies.items():
        try:
            read[peer] = _Copy.read(data or b"")
            said[peer] = "a block"
        except DecodeError as err:
            said[peer] = str(err)
    if len(read) < len(copies):
        raise _DifferenceError("encoding", number, said, copies)
    return read


def _require_same(number: int, read: Mapping[str, _Copy], copies: Mapping[str, bytes | None]) -> None:
    for aspect in _ASPECTS:
        items = {peer: aspect.items(copy) for peer, copy in read.items()}
        index = _first_difference(list(items.values()))
        if index is not None:
            said = {
                peer: aspect.named(each[index]) if index < len(each) else _NOTHING
                for peer, each in items.items()
            }
            tx_id = next(iter(read.values())).tx_id(index) if aspect.of_transactions else None
            raise _DifferenceError(aspect.what, number, said, copies, tx_id=tx_id)


def _first_difference(sequences: Sequence[Sequence[Any]]) -> int | None:
    first = sequences[0]
    if all(each == first for each in sequences):
        return None
    shortest = min(map(len, sequences))
    return next((i for i in range(shortest) if any(each[i] != first[i] for each in sequences)), shortest)


def _by_value(said: Mapping[str, str]) -> str:
    """Return who says what, those together who say the same."""
    peers: dict[str, list[str]] = {}
    for peer, value in said.items():
        peers.setdefault(value, []).append(peer)
    return "; ".join(
        f"{' and '.join(names)} {'has' if len(names) == 1 else 'have'} {value}"
        for value, names in peers.items()
    )


def _require_known(peers: Sequence[Peer], standing: Standing) -> None:
    """Verify that each peer still has the last block that was verified, as it was then.

    Its header stands for all transactions before it, its commit hash for all codes.

    Raises:
        PeersDisagreeError: one has not.
    """
    number = standing.tally.blocks - 1
    blamed = {}
    for peer in peers:
        data = peer.block(number)
        reason = "it has no such block" if data is None else _otherwise(data, standing)
        if reason:
            blamed[peer.name] = reason
    if blamed:
        raise PeersDisagreeError(
            "the last block verified before is not there as it was: "
            + "; ".join(f"{peer}: {reason}" for peer, reason in blamed.items()),
            block_number=number,
            what="block verified before",
            said={},
            blamed=blamed,
        )


def _otherwise(data: bytes, standing: Standing) -> str:
    """Return in what a copy differs from the last verified block; empty where it does not."""
    try:
        copy = _Copy.read(data)
    except DecodeError as err:
        return str(err)
    if header_hash(copy.header) != standing.last_hash:
        return "its header is another"
    if data_hash(copy.data) != copy.header.data_hash:
        return "its transactions are others"
    if copy.metadata.validation_codes != standing.last_codes:
        return "its validation codes are others"
    hashed = standing.state.commit_hash if standing.has_commit_hashes else b""
    return "" if copy.metadata.commit_hash == hashed else "its commit hash is another"
