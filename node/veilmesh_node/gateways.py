"""The gateways of a ledger, as `node.toml` and `client.toml` name them.

    gateways = ["peer0.org1.example:7051", "10.0.0.2:7051 as peer0.org2.example"]

They are called in this order, so the organisation's own peer is the first; the next is called where one is
away. A peer's TLS certificate must be for the host, or for the name behind "as". Whoever lists another
organisation's peer believes its answers.
"""

from typing import Annotated

from pydantic import AfterValidator, Field
from veilmesh_fabric.gateway_address import GatewayAddress


def _checked(text: str) -> str:
    return str(GatewayAddress.parse(text))


GatewayList = Annotated[list[Annotated[str, AfterValidator(_checked)]], Field(min_length=1)]


def parsed(gateways: GatewayList) -> list[GatewayAddress]:
    return [GatewayAddress.parse(each) for each in gateways]
