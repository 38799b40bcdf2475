"""The public half of an organisation as it hands it to others: an MSP folder without keys.

    cacerts/            root certificates; intermediatecerts/, where there are such
    tlscacerts/         roots of its TLS certificates; tlsintermediatecerts/, likewise
    crls/               what is revoked
    config.yaml         NodeOUs; not read: the roles are taken to be marked "admin", "client", "peer" and
                        "orderer", as Fabric CA and cryptogen do, by any of the organisation's authorities

So a channel's members can take in an organisation that has its own Fabric CA on its own machine.
"""

from pathlib import Path

from fabric_protos.msp import msp_config_pb2
from veilmesh_fabric.errors import IdentityError
from veilmesh_fabric.msp import Msp

from veilmesh_network.certificates import NodeRole
from veilmesh_network.errors import NetworkError


def read_msp_folder(folder: Path, msp_id: str) -> msp_config_pb2.MSPConfig:
    """Return the MSP in a folder as a channel's configuration carries it.

    Args:
        folder: as above.
        msp_id: what it is to be called; the folder does not say it.

    Raises:
        NetworkError: it holds no MSP, or one that contradicts itself.
    """
    fabric = msp_config_pb2.FabricMSPConfig(
        name=msp_id,
        root_certs=_files(folder / "cacerts"),
        intermediate_certs=_files(folder / "intermediatecerts"),
        tls_root_certs=_files(folder / "tlscacerts"),
        tls_intermediate_certs=_files(folder / "tlsintermediatecerts"),
        revocation_list=_files(folder / "crls"),
        crypto_config=msp_config_pb2.FabricCryptoConfig(
            signature_hash_family="SHA2", identity_identifier_hash_function="SHA256"
        ),
        fabric_node_ous=msp_config_pb2.FabricNodeOUs(
            enable=True,
            **{
                f"{role.value}_ou_identifier": msp_config_pb2.FabricOUIdentifier(
                    organizational_unit_identifier=role.value
                )
                for role in NodeRole
            },
        ),
    )
    if not fabric.root_certs:
        raise NetworkError(f"{folder} is no MSP folder: it has no certificate in cacerts")
    try:
        Msp(fabric)
    except IdentityError as err:
        raise NetworkError(f"the MSP in {folder} cannot be used: {err}") from err
    return msp_config_pb2.MSPConfig(type=0, config=fabric.SerializeToString(deterministic=True))


def _files(folder: Path) -> list[bytes]:
    try:
        return [path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()]
    except FileNotFoundError:
        return []
