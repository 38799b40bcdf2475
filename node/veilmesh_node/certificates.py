"""A node's certificates and keys, as its home holds them at each moment: they are renewed while it runs.

What a renewal brings is used from the next connection on, once it is whole: until then what was there before
stays in use, `veilmesh_renewal_waits` is 1, and the log says why. A new TLS certificate has to be known to
the consortium, too: the keeper registers the node anew, and other nodes take it once members have approved.
"""

from dataclasses import dataclass

from veilmesh_fabric.errors import IdentityError
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.renewal import Renewed
from veilmesh_fabric.tls import TlsClient, TlsPair, read_roots

from veilmesh_node.config import NodeConfig
from veilmesh_node.errors import HomeError
from veilmesh_node.home import Home


@dataclass(frozen=True, slots=True)
class ServerTls:
    """What a server shows, and whose clients it lets in."""

    pair: TlsPair
    client_roots_pem: bytes


@dataclass(frozen=True, slots=True)
class NodeTls:
    """What a node shows to whomever it talks to, and whom it trusts in each direction."""

    pair: TlsPair
    exchange: ServerTls
    api: ServerTls
    gateways: TlsClient  # shows the same certificate to gateways that ask for one

    @classmethod
    def read(cls, home: Home) -> "NodeTls":
        """Return what the home holds now.

        Raises:
            IdentityError: a file is unreadable, or certificate and key do not belong together.
        """
        pair = TlsPair.read(home.tls_certificate, home.tls_key)
        return cls(
            pair,
            ServerTls(pair, read_roots(home.exchange_roots)),
            ServerTls(pair, read_roots(home.client_roots)),
            TlsClient(read_roots(home.gateway_roots), pair),
        )


@dataclass(frozen=True, slots=True)
class NodeCertificates:
    """Both, renewed."""

    identity: Renewed[SigningIdentity]
    tls: Renewed[NodeTls]

    @classmethod
    def of(cls, home: Home, config: NodeConfig) -> "NodeCertificates":
        """Read them for the first time.

        Raises:
            HomeError: one cannot be used.
        """
        try:
            return cls(
                SigningIdentity.in_msp_folder(home.msp, config.msp_id),
                Renewed(
                    lambda: NodeTls.read(home),
                    home.tls_certificate,
                    home.tls_key,
                    home.exchange_roots,
                    home.client_roots,
                    home.gateway_roots,
                ),
            )
        except IdentityError as err:
            raise HomeError(str(err)) from err
