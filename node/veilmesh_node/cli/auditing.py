"""Copies of a live ledger's blocks, and how fast they are verified."""

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from veilmesh_fabric.block_files import BlockFolder
from veilmesh_fabric.errors import BlockFilesError
from veilmesh_fabric.verification import verify_blocks
from veilmesh_network.network import AUDITOR, Network

from veilmesh_node.cli.client_home import ClientHome
from veilmesh_node.cli.live_blocks import height, live_blocks
from veilmesh_node.cli.progress import progress_bar
from veilmesh_node.cli.provisioning import write_client_home
from veilmesh_node.cli.verifying import checks_for

BARE_CHECKS = 10_000


def export(home: ClientHome, folder: Path) -> int:
    """Copy a live ledger's blocks into a folder, from where an earlier run stopped; return their count.

    Raises:
        BlockFilesError: the folder holds another chain, or cannot be written.
    """
    target = BlockFolder(folder)
    last = target.last() if folder.exists() else None
    start = 0 if last is None else target.count() - 1
    total = height(home)
    if start >= total:
        raise BlockFilesError(f"{folder} holds more blocks than the ledger has: it is another chain's")
    with live_blocks(home, start=start) as blocks, progress_bar("exporting") as told:
        for number, block in enumerate(blocks, start=start):
            if number == start and last is not None and block != last:
                raise BlockFilesError(f"{folder} holds another chain: block {number} is not the ledger's")
            target.write(number, block)
            told(number + 1, total)
    return total


def chain_of(network: Network) -> list[bytes]:
    """Return all blocks of a running network, as its auditor reads them."""
    with tempfile.TemporaryDirectory() as folder:
        auditor = network.auditors[0]
        write_client_home(network, auditor, auditor.identity(AUDITOR), Path(folder))
        with live_blocks(ClientHome.load(Path(folder))) as blocks:
            return list(blocks)


def measure(chain: Sequence[bytes]) -> dict[str, Any]:
    """Verify a chain on all cores and on one; tell signatures a second, beside the bare rate here.

    Where others use the machine too, processor time says more than the clock does.
    """
    pooled = _Stopwatch()
    with checks_for(len(chain)) as checks:
        report = verify_blocks(chain, checks=checks)
    pooled.stop()
    single = _Stopwatch()
    alone = verify_blocks(chain)
    single.stop()
    for each in (report, alone):
        if each.violation is not None:
            raise each.violation
    bare = _bare_checks()
    cores = os.cpu_count() or 1
    signatures = report.signatures
    return {
        "blocks": report.blocks,
        "signatures": signatures,
        "cores": cores,
        "signatures_per_s": round(signatures / pooled.elapsed_s),
        "signatures_per_s_one_process": round(signatures / single.elapsed_s),
        "bare_checks_per_s_a_core": round(BARE_CHECKS / bare.elapsed_s),
        "share_of_bare_rate": round(signatures / pooled.elapsed_s * bare.elapsed_s / BARE_CHECKS / cores, 2),
        "cpu_us_a_signature": round(pooled.cpu_s / signatures * 1e6, 1),
        "cpu_us_a_signature_one_process": round(single.cpu_s / signatures * 1e6, 1),
        "cpu_us_a_bare_check": round(bare.cpu_s / BARE_CHECKS * 1e6, 1),
    }


class _Stopwatch:
    """Time by the clock, and of all processors by this process and its ended children; runs when made."""

    def __init__(self) -> None:
        self._started_s, self._started_cpu_s = time.perf_counter(), _cpu_s()
        self.elapsed_s = self.cpu_s = 0.0

    def stop(self) -> None:
        self.elapsed_s = time.perf_counter() - self._started_s
        self.cpu_s = _cpu_s() - self._started_cpu_s


def _cpu_s() -> float:
    return sum(os.times()[:4])


def _bare_checks() -> _Stopwatch:
    """Time `BARE_CHECKS` P-256 checks of `cryptography` alone, of a message of a transaction's size."""
    message, digest = b"x" * 1500, ec.ECDSA(SHA256())
    key = ec.generate_private_key(ec.SECP256R1())
    public_key, signature = key.public_key(), key.sign(message, digest)
    watch = _Stopwatch()
    for _ in range(BARE_CHECKS):
        public_key.verify(signature, message, digest)
    watch.stop()
    return watch
