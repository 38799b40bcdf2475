"""The chaincode package that a peer installs: it holds no code, it says where the chaincode service is.

    PACKAGE.tar.gz
    ├── metadata.json       {"label": "veilmesh", "type": "ccaas"}
    └── code.tar.gz
        └── connection.json     address, and the certificates for mutual TLS

The same content gives the same bytes, and so the same package id: times and owners are zero, order is fixed.
Each member has a package of its own, since its service has its own address and its peer its own key; Fabric
lets each organisation approve a definition under its own package id.

Source: Fabric `core/chaincode/persistence/chaincode_package.go`, and for `connection.json`
`core/container/externalbuilder/instance.go`.
"""

import gzip
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from veilmesh_network.network import CHAINCODE_SERVICE, PEER, tls_of
from veilmesh_network.organisation import Organisation

_DIAL_TIMEOUT = "10s"


@dataclass(frozen=True, slots=True)
class ChaincodePackage:
    label: str
    content: bytes = field(repr=False)  # holds the peer's TLS key

    @property
    def id(self) -> str:
        return f"{self.label}:{sha256(self.content).hexdigest()}"


def member_package(member: Organisation, address: str, label: str) -> ChaincodePackage:
    """Return the package that a member's own peer installs.

    Args:
        member: the organisation.
        address: host:port of its chaincode service.
        label: the first part of the package's id.
    """
    peer = tls_of(member.identity(PEER))
    connection = {
        "address": address,
        "dial_timeout": _DIAL_TIMEOUT,
        "tls_required": True,
        "client_auth_required": True,
        "client_key": peer.key.read_text(),
        "client_cert": peer.certificate.read_text(),
        "root_cert": member.service(CHAINCODE_SERVICE).root.read_text(),
    }
    code = _tar_gz({"connection.json": _json(connection)})
    metadata = _json({"label": label, "type": "ccaas"})
    return ChaincodePackage(label, _tar_gz({"metadata.json": metadata, "code.tar.gz": code}))


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, sort_keys=True).encode()


def _tar_gz(files: Mapping[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=archive, mode="wb", filename="", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, content in files.items():
            entry = tarfile.TarInfo(name)  # owner, group and time are 0
            entry.size = len(content)
            entry.mode = 0o644
            tar.addfile(entry, io.BytesIO(content))
    return archive.getvalue()
