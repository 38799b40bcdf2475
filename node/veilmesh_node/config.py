"""A node's settings: `node.toml` in its home folder, and over it the environment variables `VEILMESH_...`.

    node_id = "org1-node"
    msp_id = "Org1MSP"
    roles = ["owner", "relying", "decider"]
    exchange_listen = "0.0.0.0:7443"              # where other nodes' calls are taken
    exchange_endpoint = "node.org1.example:7443"  # where the ledger says they find it
    api_listen = "127.0.0.1:7151"
    metrics_listen = "127.0.0.1:9464"             # loopback only; left out: no metrics
    gateways = ["peer0.org1.example:7051", "10.0.0.2:7051 as peer0.org2.example"]
    channel = "veilmesh"
    chaincode = "veilmesh"
    engine = "reference"                          # left out: fast, with equal features; this is dlib itself
    encoder = "models/arcface.onnx"               # left out: dlib's; see veilmesh_ml/encoder_description.py
    ipfs_api = "127.0.0.1:5001"                   # kubo's, for surrogates; left out: the folder content/

What `gateways` says is told in `gateways.py`.

A relative path is within the home folder, where everything else has its place; `home.py` lists it.
"""

import ipaddress
import json
import tomllib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from veilmesh_chaincode.records.base import MspId, Name
from veilmesh_chaincode.records.registry import NodeRole

from veilmesh_node.errors import HomeError
from veilmesh_node.gateways import GatewayList

FILE_NAME = "node.toml"


def _loopback(address: str) -> str:
    host, _, _ = address.rpartition(":")
    if not ipaddress.ip_address(host.strip("[]")).is_loopback:
        raise ValueError("has to be a loopback address: whoever reaches it is not asked who they are")
    return address


EngineName = Literal["fast", "reference"]
Address = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:\[\]-]{3,255}:[0-9]{1,5}$")]  # host:port
LoopbackAddress = Annotated[Address, AfterValidator(_loopback)]


class NodeConfig(BaseSettings):
    """Frozen, and passed down; nothing else reads the environment."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix="VEILMESH_")

    node_id: Name
    msp_id: MspId
    roles: Annotated[list[NodeRole], Field(min_length=1)]
    exchange_listen: Address
    exchange_endpoint: Address
    api_listen: Address
    metrics_listen: LoopbackAddress | None = None
    gateways: GatewayList
    channel: str
    chaincode: str
    encoder: Path | None = None
    engine: EngineName = "fast"
    ipfs_api: LoopbackAddress | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the base class's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over what the constructor is given, which is the file's content."""
        return env_settings, init_settings

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read `folder/node.toml` and the environment.

        Raises:
            HomeError: no such file, not TOML, or a setting is missing, unknown or wrong.
        """
        path = folder / FILE_NAME
        try:
            return cls(**tomllib.loads(path.read_text()))
        except FileNotFoundError:
            raise HomeError(f"{folder} is no node's home: it has no {FILE_NAME}") from None
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as err:
            raise HomeError(f"{path}: {err}") from err
        except ValidationError as err:
            wrong = "; ".join(
                f"{'.'.join(map(str, each['loc'])) or 'settings'}: {each['msg']}"
                for each in err.errors(include_input=False, include_url=False)
            )
            raise HomeError(f"{path}: {wrong}") from err

    def to_toml(self) -> str:
        """Return the text of `node.toml`."""
        fields = self.model_dump(mode="json", exclude_none=True)
        return "".join(f"{name} = {json.dumps(value)}\n" for name, value in fields.items())
