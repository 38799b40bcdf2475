"""The folder from which a person acts: an identity, where its ledger is, and perhaps its node.

`client.toml` in that folder names everything by paths relative to itself:

    msp_id = "Org1MSP"
    msp = "msp"                             # Fabric's layout: signcerts, keystore
    gateways = ["127.0.0.1:7051"]           # see `veilmesh_node/gateways.py`
    gateway_tls_roots = "gateway-roots.pem"
    gateway_tls_certificate = "tls.crt"     # where the gateways ask for a client's, and its key
    gateway_tls_key = "tls.key"
    channel = "veilmesh"
    chaincode = "veilmesh"
    anchor = "channel.block"                # the channel's first block: what an audit trusts

    [node]                                  # where the person's organisation runs a node
    address = "127.0.0.1:7151"
    tls_roots = "node-roots.pem"
    tls_certificate = "tls/client.pem"
    tls_key = "tls/client.key"

An auditor's folder has no `[node]`. A node's home is its operator's client folder, too.
"""

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from veilmesh_node.errors import HomeError
from veilmesh_node.gateways import GatewayList

FILE_NAME = "client.toml"


class NodeAccess(BaseModel):
    """How to reach the organisation's own node."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: str
    tls_roots: Path
    tls_certificate: Path
    tls_key: Path


class ClientHome(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    msp_id: str
    msp: Path
    gateways: GatewayList
    gateway_tls_roots: Path
    channel: str
    chaincode: str
    anchor: Path
    gateway_tls_certificate: Path | None = None
    gateway_tls_key: Path | None = None
    node: NodeAccess | None = None

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Self:
        if (self.gateway_tls_certificate is None) != (self.gateway_tls_key is None):
            raise ValueError("gateway_tls_certificate and gateway_tls_key belong together")
        return self

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read `folder/client.toml`; its paths come out absolute.

        Raises:
            HomeError: no such file, not TOML, or a field missing, unknown or wrong.
        """
        path = folder / FILE_NAME
        try:
            home = cls.model_validate(tomllib.loads(path.read_text()))
        except FileNotFoundError:
            raise HomeError(f"{folder} is no client's home: it has no {FILE_NAME}") from None
        except (tomllib.TOMLDecodeError, ValidationError, UnicodeDecodeError) as err:
            raise HomeError(f"{path}: {err}") from err
        return home.resolved(folder.resolve())

    def resolved(self, base: Path) -> Self:
        node = self.node and self.node.model_copy(
            update={
                name: base / getattr(self.node, name) for name in ("tls_roots", "tls_certificate", "tls_key")
            }
        )
        names = ("msp", "gateway_tls_roots", "anchor", "gateway_tls_certificate", "gateway_tls_key")
        paths = {name: base / path for name in names if (path := getattr(self, name)) is not None}
        return self.model_copy(update={**paths, "node": node})

    def write(self, folder: Path) -> None:
        """Write `folder/client.toml`; the paths should be relative to `folder`."""
        fields = self.model_dump(mode="json", exclude={"node"}, exclude_none=True)
        lines = _toml(fields)
        if self.node is not None:
            lines += ["", "[node]", *_toml(self.node.model_dump(mode="json"))]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / FILE_NAME).write_text("\n".join(lines) + "\n")


def _toml(fields: Mapping[str, Any]) -> list[str]:
    return [f"{name} = {json.dumps(value)}" for name, value in fields.items()]
