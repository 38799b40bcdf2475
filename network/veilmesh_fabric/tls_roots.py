"""Whose TLS authority a channel's organisation has: so that a server shows by its certificate whose it is."""

from collections.abc import Mapping

from cryptography import x509

from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.msp import read_msp_config


def tls_roots(config: ChannelConfig) -> Mapping[str, bytes]:
    """Return the TLS authorities of each organisation of a channel that names some, by MSP id, in PEM."""
    roots = {}
    for role in ("Application", "Orderer"):
        for group in config.root.groups[role].groups.values():
            msp = read_msp_config(group.values["MSP"].value)
            certificates = [*msp.tls_root_certs, *msp.tls_intermediate_certs]
            if certificates and all(map(_is_readable, certificates)):
                roots[msp.name] = b"\n".join(certificates)
    return roots


def _is_readable(pem: bytes) -> bool:
    try:
        return bool(x509.load_pem_x509_certificates(pem))
    except ValueError:
        return False
