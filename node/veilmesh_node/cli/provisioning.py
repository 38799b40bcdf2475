"""Client folders for the identities of a network on this machine.

In production an organisation's own authority issues the certificates, and an operator writes `client.toml` by
hand; the operator's guide says how.
"""

import shutil
from pathlib import Path

from veilmesh_network.network import Network
from veilmesh_network.organisation import IdentityFiles, Organisation

from veilmesh_node.cli.client_home import ClientHome, NodeAccess


def write_client_home(
    network: Network,
    organisation: Organisation,
    identity: IdentityFiles,
    folder: Path,
    *,
    node_address: str | None = None,
) -> None:
    """Write, or write again, the folder from which `identity` acts: its keys, the ledger's address, its node.

    Args:
        network: whose ledger it is.
        organisation: the identity's.
        identity: with TLS files where `node_address` is given.
        folder: created where missing; nobody else may read it.
        node_address: host:port of its organisation's node, if it has one.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copytree(identity.msp_dir, folder / "msp", dirs_exist_ok=True)
    shutil.copyfile(network.tls_roots, folder / "gateway-roots.pem")
    shutil.copyfile(network.channel_block, folder / "channel.block")
    node = None
    if node_address is not None and identity.tls is not None:
        (folder / "tls").mkdir(exist_ok=True)
        shutil.copyfile(identity.tls.certificate, folder / "tls" / "client.pem")
        shutil.copy(identity.tls.key, folder / "tls" / "client.key")  # with its mode, 0600
        shutil.copyfile(identity.tls.root, folder / "node-roots.pem")
        node = NodeAccess(
            address=node_address,
            tls_roots=Path("node-roots.pem"),
            tls_certificate=Path("tls/client.pem"),
            tls_key=Path("tls/client.key"),
        )
    ClientHome(
        msp_id=organisation.msp_id,
        msp=Path("msp"),
        gateway=network.address,
        gateway_tls_roots=Path("gateway-roots.pem"),
        channel=network.channel,
        chaincode=network.chaincode,
        anchor=Path("channel.block"),
        node=node,
    ).write(folder)
    folder.chmod(0o700)
