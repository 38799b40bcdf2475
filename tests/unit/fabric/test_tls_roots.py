from fabric_protos.common import common_pb2
from fabric_protos.msp import msp_config_pb2
from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.tls_roots import tls_roots

from tests.unit.fabric.forge import CHANNEL, Channel, config_of, serialized


def test_every_organisation_that_names_an_authority() -> None:
    channel = Channel()
    found = tls_roots(ChannelConfig.from_block(channel.blocks[0]))
    organisations = [*channel.members, channel.auditor_organisation, channel.orderer_organisation]
    assert found == {each.msp_id: each.tls.root.certificate_pem for each in organisations}


def test_authority_that_cannot_be_read_vouches_for_nobody() -> None:
    config = config_of(common_pb2.Block.FromString(Channel().blocks[0])).config
    value = config.channel_group.groups["Application"].groups["Org1MSP"].values["MSP"]
    definition = msp_config_pb2.MSPConfig.FromString(value.value)
    msp = msp_config_pb2.FabricMSPConfig.FromString(definition.config)
    msp.tls_root_certs[0] = b"garbage"
    definition.config = serialized(msp)
    value.value = serialized(definition)
    assert "Org1MSP" not in tls_roots(ChannelConfig.from_proto(CHANNEL, config))
