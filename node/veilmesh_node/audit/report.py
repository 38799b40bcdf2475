"""An auditor's report: what was verified, by whom, when, from which peers, and what the chain tells.

`verified` is the part that `veilmesh audit verify` prints; `document` adds the chronicle. Both are JSON.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from veilmesh_fabric.errors import PeersDisagreeError, VerificationError
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.rules import Rule
from veilmesh_fabric.verification_report import VerificationReport

from veilmesh_node.audit.chronicle import Chronicle

FORMAT = "veilmesh audit report v1"


@dataclass(frozen=True, slots=True)
class Source:
    """Where blocks came from: a peer, or a folder."""

    name: str
    organization: str | None  # MSP id, as the peer's TLS certificate shows
    address: str | None  # None: a folder
    height: int  # blocks that it has


@dataclass(frozen=True, slots=True)
class Audit:
    """One run of verification, and what it saw."""

    verification: VerificationReport
    sources: Sequence[Source]
    verified_before: int  # blocks that an earlier run had verified
    genesis_hash: bytes  # of the first block's header; empty where there was none
    auditor: SigningIdentity | None  # None where blocks came from a folder
    started_at: datetime
    finished_at: datetime
    chronicle: Chronicle | None


def verified(audit: Audit) -> dict[str, Any]:
    """Return what was verified, and how."""
    report = audit.verification
    codes = Counter[str]()
    for (_kind, code), count in report.transactions.items():
        codes[code] += count
    return {
        "holds": report.holds,
        "channel": report.channel_id,
        "genesis_hash": audit.genesis_hash.hex(),
        "blocks": report.blocks,
        "verified_before": audit.verified_before,
        "last_header_hash": report.last_header_hash.hex(),
        "peers": [
            {
                "name": source.name,
                "organization": source.organization,
                "address": source.address,
                "height": source.height,
            }
            for source in audit.sources
        ],
        "auditor": None if audit.auditor is None else _identity(audit.auditor),
        "started_at": audit.started_at.isoformat(timespec="seconds"),
        "finished_at": audit.finished_at.isoformat(timespec="seconds"),
        "transactions": sum(codes.values()),
        "codes": dict(codes),
        "types": {f"{kind} {code}": count for (kind, code), count in report.transactions.items()},
        "signatures": report.signatures,
        "checks": _checks(audit),
        "commit_hashes": report.has_commit_hashes,
        "organizations": sorted(report.organizations),
        "taken_on_trust": list(report.taken_on_trust),
        "notes": list(report.notes),
        "elapsed_s": round(report.elapsed_s, 3),
        "violation": None if report.violation is None else _violation(report.violation, audit.sources),
    }


def document(audit: Audit) -> dict[str, Any]:
    """Return the whole report."""
    chronicle = audit.chronicle
    told = None if chronicle is None else chronicle.model_dump(mode="json", exclude={"nodes"})
    return {"format": FORMAT, "verified": verified(audit), "chronicle": told}


def blamed(violation: VerificationError, sources: Sequence[Source]) -> Mapping[str, str]:
    """Return by name who served what is wrong, and why it is."""
    if isinstance(violation, PeersDisagreeError):
        return violation.blamed
    return {source.name: f"{violation.message} [{violation.rule}]" for source in sources}


def _checks(audit: Audit) -> dict[str, int]:
    checks = {rule.value: count for rule, count in audit.verification.checks.items()}
    if len(audit.sources) > 1:
        checks[Rule.PEERS_AGREE.value] = audit.verification.blocks - audit.verified_before
    return checks


def _violation(violation: VerificationError, sources: Sequence[Source]) -> dict[str, Any]:
    said = violation.said if isinstance(violation, PeersDisagreeError) else {}
    return {
        "rule": violation.rule,
        "block": violation.block_number,
        "transaction": violation.tx_id,
        "message": violation.message,
        "said": dict(said),
        "blamed": dict(blamed(violation, sources)),
    }


def _identity(identity: SigningIdentity) -> dict[str, str]:
    return {
        "msp_id": identity.msp_id,
        "name": identity.certificate.common_name,
        "certificate_sha256": identity.certificate.x509.fingerprint(SHA256()).hex(),
    }
