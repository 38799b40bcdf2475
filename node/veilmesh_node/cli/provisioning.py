"""Homes for the nodes and people of a network on this machine.

In production an organisation's own authority issues the certificates, and an operator writes `node.toml` and
`client.toml` by hand.
"""

import shutil
from pathlib import Path

from veilmesh_chaincode.records.registry import NodeRole
from veilmesh_network.certificates import NodeRole as NodeOu
from veilmesh_network.network import OPERATOR, Network
from veilmesh_network.organisation import IdentityFiles, Organisation

from veilmesh_node.cli.client_home import ClientHome, NodeAccess
from veilmesh_node.config import NodeConfig
from veilmesh_node.domain.secret import Secret
from veilmesh_node.errors import HomeError
from veilmesh_node.home import IssuedFiles, create_home


def init_node(
    network_folder: Path,
    organisation_name: str,
    home: Path,
    *,
    node_id: str,
    listen: str,
    api: str,
    passphrase: Secret,
) -> NodeConfig:
    """Issue a node's certificates and make its home; its organisation's operator acts from there, too.

    Args:
        network_folder: of a network made by `network up`.
        organisation_name: its name, domain or MSP id there.
        home: new or empty.
        node_id: the node's name in the consortium.
        listen: host:port where other nodes reach it.
        api: host:port for its own organisation.
        passphrase: of the node's key.

    Raises:
        NetworkError: no such network or organisation, or the organisation has issued this name before.
        HomeError: the home is in use.
    """
    if home.exists() and any(home.iterdir()):
        raise HomeError(f"{home} is not empty")
    if not passphrase.reveal():
        raise HomeError("the passphrase is empty")
    network = Network.load(network_folder)
    organisation = network.organisation(organisation_name)
    config = NodeConfig(
        node_id=node_id,
        msp_id=organisation.msp_id,
        roles=[NodeRole.OWNER, NodeRole.RELYING, NodeRole.DECIDER],
        exchange_listen=listen,
        exchange_endpoint=listen,
        api_listen=api,
        gateways=network.gateways(organisation.msp_id),
        channel=network.channel,
        chaincode=network.chaincode,
    )
    host = listen.rpartition(":")[0]
    identity = organisation.issue(node_id, role=NodeOu.CLIENT, attributes={"role": "node"}, tls_hosts=(host,))
    create_home(home, config, _issued(network, organisation, identity), passphrase)
    operator = organisation.identity(OPERATOR)
    write_client_home(network, organisation, operator, home, keys="operator", node_address=api)
    return config


def write_client_home(
    network: Network,
    organisation: Organisation,
    identity: IdentityFiles,
    folder: Path,
    *,
    keys: str = "",
    node_address: str | None = None,
) -> None:
    """Write, or write again, the folder from which `identity` acts: its keys, the ledger's address, its node.

    Args:
        network: whose ledger it is.
        organisation: the identity's.
        identity: with TLS files where `node_address` is given.
        folder: created where missing; nobody else may read it.
        keys: a folder in it for everything but `client.toml`, where it has other things, too.
        node_address: host:port of its organisation's node, if it has one.
    """
    inside = Path(keys)
    (folder / inside).mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    shutil.copytree(identity.msp_dir, folder / inside / "msp", dirs_exist_ok=True)
    shutil.copyfile(network.tls_roots, folder / inside / "gateway-roots.pem")
    shutil.copyfile(network.channel_block, folder / inside / "channel.block")
    ClientHome(
        msp_id=organisation.msp_id,
        msp=inside / "msp",
        gateways=network.gateways(organisation.msp_id),
        gateway_tls_roots=inside / "gateway-roots.pem",
        channel=network.channel,
        chaincode=network.chaincode,
        anchor=inside / "channel.block",
        node=None if node_address is None else _node_access(identity, folder, inside, node_address),
    ).write(folder)


def _node_access(identity: IdentityFiles, folder: Path, inside: Path, address: str) -> NodeAccess:
    if identity.tls is None:
        raise HomeError("an identity without a TLS certificate cannot call a node")
    (folder / inside / "tls").mkdir(exist_ok=True)
    shutil.copyfile(identity.tls.certificate, folder / inside / "tls" / "client.crt")
    shutil.copy(identity.tls.key, folder / inside / "tls" / "client.key")  # with its mode, 0600
    shutil.copyfile(identity.tls.root, folder / inside / "node-roots.pem")
    return NodeAccess(
        address=address,
        tls_roots=inside / "node-roots.pem",
        tls_certificate=inside / "tls" / "client.crt",
        tls_key=inside / "tls" / "client.key",
    )


def _issued(network: Network, organisation: Organisation, identity: IdentityFiles) -> IssuedFiles:
    if identity.tls is None:
        raise HomeError("a node needs a TLS certificate")
    return IssuedFiles(
        msp=identity.msp_dir,
        tls_certificate=identity.tls.certificate,
        tls_key=identity.tls.key,
        exchange_roots=[member.dir / "tlsca" / "cert.pem" for member in network.members],
        client_roots=[organisation.dir / "tlsca" / "cert.pem"],
        gateway_roots=network.tls_roots,
    )
