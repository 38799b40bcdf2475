"""The ledger as a process: one a folder, ready when it says so, ended by SIGTERM or by a disk that fails."""

import asyncio
import logging
import signal
from collections.abc import Mapping
from pathlib import Path

from veilmesh_chaincode.runtime import Chaincode
from veilmesh_fabric.errors import FabricError
from veilmesh_fabric.identity import SigningIdentity

from veilmesh_network.embedded.server import EmbeddedLedger, LedgerIdentities
from veilmesh_network.errors import NetworkError
from veilmesh_network.network import ADMIN, BANNER, ORDERER, PEER, Network
from veilmesh_network.organisation import Organisation
from veilmesh_network.supervisor import hold_lock, report_to

_logger = logging.getLogger(__name__)


def run(
    network: Network, chaincodes: Mapping[str, Chaincode], *, listen: str, ready_fd: int | None = None
) -> int:
    """Serve until SIGTERM or SIGINT; return the process's exit status.

    Args:
        network: whose ledger.
        chaincodes: what every peer runs, by name.
        listen: host:port; port 0 for any.
        ready_fd: an open descriptor to report to, as `supervisor` describes.
    """
    try:
        with hold_lock(network.folder):
            asyncio.run(_serve(network, chaincodes, listen, ready_fd))
    except (NetworkError, FabricError) as err:
        _logger.critical("the ledger ends: %s", err)
        report_to(ready_fd, {"error": str(err), "kind": type(err).__name__})
        return 1
    return 0


async def _serve(
    network: Network, chaincodes: Mapping[str, Chaincode], listen: str, ready_fd: int | None
) -> None:
    stopping = asyncio.Event()
    for kind in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(kind, stopping.set)

    def started(port: int) -> None:
        _logger.warning(BANNER)
        _logger.info("channel %s is served on port %d", network.channel, port)
        report_to(ready_fd, {"port": port})

    ledger = EmbeddedLedger(ledger_identities(network), network.folder / "ledger.db", chaincodes)
    await ledger.run(listen, started=started, stop=stopping)
    _logger.info("stopped")


def ledger_identities(network: Network) -> LedgerIdentities:
    """Read the keys that the ledger process holds.

    Raises:
        NetworkError: one is missing.
        IdentityError: one cannot be used.
    """
    tls = network.orderer.identity(ORDERER).tls
    if tls is None:
        raise NetworkError("the orderer has no TLS certificate")
    return LedgerIdentities(
        genesis=network.channel_block.read_bytes(),
        peer_of=lambda msp_id: _peer(network.folder, msp_id),
        admin=_signer(network.members[0], ADMIN),
        orderer=_signer(network.orderer, ORDERER),
        tls_certificate=tls.certificate.read_bytes(),
        tls_key=tls.key.read_bytes(),
    )


def _peer(folder: Path, msp_id: str) -> SigningIdentity | None:
    """Return a member's peer as the folder has it now: the member may have joined since it was read first."""
    network = Network.load(folder)
    if msp_id not in {entry.msp_id for entry in network.organisations}:
        return None
    return _signer(network.organisation(msp_id), PEER)


def _signer(organisation: Organisation, name: str) -> SigningIdentity:
    return SigningIdentity.from_msp_folder(organisation.identity(name).msp_dir, organisation.msp_id)
