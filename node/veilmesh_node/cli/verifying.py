"""What `veilmesh audit verify` and `report` do: follow a chain that peers have, or a folder.

A checkpoint is saved every half minute and at the end, also where a peer fails in between, so that the next
run goes on there.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from veilmesh_fabric.audit_checkpoint import AuditCheckpoint
from veilmesh_fabric.block import decode_block, header_hash
from veilmesh_fabric.block_files import BlockFolder
from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.errors import CheckpointError, FabricError
from veilmesh_fabric.gateway_address import GatewayAddress
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.peer_comparison import Peer, verify_peers
from veilmesh_fabric.signature_checks import InlineChecks, SignatureChecks
from veilmesh_fabric.verification import ChainVerifier
from veilmesh_fabric.verification_pool import PooledChecks
from veilmesh_fabric.verification_report import VerificationReport

from veilmesh_node.audit.chronicle import Chronicle
from veilmesh_node.audit.report import Audit, Source
from veilmesh_node.cli.client_home import ClientHome
from veilmesh_node.cli.live_peers import Reader, find_peers, live_peers
from veilmesh_node.cli.progress import progress_bar
from veilmesh_node.gateways import parsed

LONG_CHAIN_BLOCKS = 50  # a block may hold hundreds of signatures; workers take a tenth of a second to start
_SAVE_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class Scope:
    """What is to be verified, and against what."""

    anchor: Path | None = None  # the first block, from a trusted source
    checkpoint: Path | None = None
    chaincode: str | None = None  # whose records are told; None: nothing is told
    wait_s: float = 15.0  # how long a peer may take for a block


def audit_live(
    home: ClientHome, scope: Scope, addresses: Sequence[GatewayAddress] = (), roots: Path | None = None
) -> Audit:
    """Verify a live ledger's chain by several peers at once.

    Args:
        home: who reads, and where; its first block is trusted unless another anchor is given.
        scope: what is verified.
        addresses: of the peers; the home's gateways when not given.
        roots: vouch for peers of no organisation that the configuration names, which is the first block's, or
            the one in force at the checkpoint.

    Raises:
        DeliverError: a peer refuses, is out of reach, or too slow.
        CheckpointError: the checkpoint cannot be used.
        DecodeError: the anchor is no config block.
    """
    reader = Reader(SigningIdentity.from_msp_folder(home.msp, home.msp_id), home.channel, scope.wait_s)
    anchor = (scope.anchor or home.anchor).read_bytes()
    with _Run.begun(scope, anchor) as run:
        standing = run.verifier.standing
        config = standing.configuration.config if standing else ChannelConfig.from_block(anchor)
        found = find_peers(home, reader, config, addresses=addresses or parsed(home.gateways), roots=roots)
        sources = [Source(peer.name, peer.organization, peer.address.address, peer.height) for peer in found]
        with live_peers(found, reader, start=max(0, run.verifier.height - 1)) as peers:
            return run.finished(peers, sources, reader.identity)


def audit_folder(folder: Path, scope: Scope) -> Audit:
    """Verify the chain in a folder of block files.

    Raises:
        BlockFilesError: a block is missing, or cannot be read.
        CheckpointError: as `audit_live`.
    """
    blocks = BlockFolder(folder)
    source = Source(str(folder), None, None, blocks.count())
    anchor = None if scope.anchor is None else scope.anchor.read_bytes()
    with _Run.begun(scope, anchor) as run:
        return run.finished([_FolderPeer(blocks, source)], [source], None)


@dataclass(frozen=True, slots=True)
class _FolderPeer:
    """A folder of blocks, in the place of a peer."""

    blocks: BlockFolder
    source: Source

    @property
    def name(self) -> str:
        return self.source.name

    def block(self, number: int) -> bytes | None:
        return self.blocks.read(number) if number < self.source.height else None


@dataclass(slots=True)
class _Run:
    """One verification under way."""

    verifier: ChainVerifier
    checkpoint: AuditCheckpoint | None
    chronicle: Chronicle | None
    verified_before: int
    started_at: datetime
    saved_at_s: float

    @classmethod
    @contextmanager
    def begun(cls, scope: Scope, anchor: bytes | None) -> "Iterator[_Run]":
        """Go on from the checkpoint, if there is one."""
        chronicle = None if scope.chaincode is None else Chronicle(chaincode=scope.chaincode)
        with ExitStack() as stack:
            checkpoint = standing = None
            if scope.checkpoint is not None:
                checkpoint = stack.enter_context(AuditCheckpoint.open(scope.checkpoint))
                genesis_hash = None if anchor is None else header_hash(decode_block(anchor).header)
                loaded = checkpoint.load(genesis_hash)
                if loaded is not None:
                    standing, notes = loaded
                    chronicle = _kept(notes, scope.checkpoint)
            verifier = ChainVerifier(
                anchor, standing=standing, observer=None if chronicle is None else chronicle.note
            )
            yield cls(verifier, checkpoint, chronicle, verifier.height, datetime.now(UTC), time.monotonic())

    def finished(
        self, peers: Sequence[Peer], sources: Sequence[Source], auditor: SigningIdentity | None
    ) -> Audit:
        """Verify what the peers have."""
        try:
            report = self._verified(peers, max(source.height for source in sources))
        except FabricError:
            self._save()
            raise
        self._save()
        standing = self.verifier.standing
        return Audit(
            verification=report,
            sources=sources,
            verified_before=self.verified_before,
            genesis_hash=standing.genesis_hash if standing else b"",
            auditor=auditor,
            started_at=self.started_at,
            finished_at=datetime.now(UTC),
            chronicle=self.chronicle,
        )

    def _verified(self, peers: Sequence[Peer], total: int) -> VerificationReport:
        with checks_for(total - self.verified_before) as checks, progress_bar("verifying") as told:

            def progress(done: int, of: int | None) -> None:
                told(done, of)
                if time.monotonic() - self.saved_at_s > _SAVE_EVERY_S:
                    self._save()

            return verify_peers(peers, self.verifier, checks=checks, total=total, progress=progress)

    def _save(self) -> None:
        standing = self.verifier.standing
        if self.checkpoint is not None and standing is not None:
            notes = None if self.chronicle is None else self.chronicle.model_dump(mode="json")
            self.checkpoint.save(standing, notes)
            self.saved_at_s = time.monotonic()


def _kept(notes: Any, path: Path) -> Chronicle:
    try:
        return Chronicle.model_validate(notes)
    except ValidationError as err:
        raise CheckpointError(f"checkpoint {path} is of another version: begin a new one") from err


@contextmanager
def checks_for(blocks: int) -> Iterator[SignatureChecks]:
    """Return where the signatures of so many blocks are checked best."""
    if blocks < LONG_CHAIN_BLOCKS:
        yield InlineChecks()
        return
    with PooledChecks(workers=os.cpu_count() or 1) as checks:
        yield checks
