"""A request for a change collects signatures, as a file that goes from admin to admin."""

from typing import Any

import pytest
from fabric_protos.common import common_pb2, configtx_pb2
from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_fabric.config_history import ConfigInForce
from veilmesh_fabric.config_request import ConfigUpdateRequest
from veilmesh_fabric.config_submission import require_consent
from veilmesh_fabric.config_update import proposed_config
from veilmesh_fabric.errors import (
    ConfigOvertakenError,
    ConfigUpdateError,
    ConsentError,
    DecodeError,
    VerificationError,
)
from veilmesh_fabric.ordering import orderer_endpoints

from tests.unit.fabric.forge import Channel, serialized

FORGE = Channel()
CURRENT = ChannelConfig.from_proto("veilmesh", FORGE.config)
IN_FORCE = ConfigInForce(CURRENT, 0, FORGE.now, 1)


def without_org3() -> Any:
    root = configtx_pb2.ConfigGroup()
    root.CopyFrom(CURRENT.root)
    del root.groups["Application"].groups["Org3MSP"]
    return root


REQUEST = ConfigUpdateRequest.between(CURRENT, without_org3())


def signers(request: ConfigUpdateRequest) -> list[bytes]:
    return [common_pb2.SignatureHeader.FromString(each.header).creator for each in request.signatures]


def accepted(request: ConfigUpdateRequest) -> bool:
    """Whether an orderer would take it; `require_consent` must say the same."""
    try:
        proposed_config(CURRENT, request.envelope(FORGE.clients[0], FORGE.now), FORGE.now)
    except VerificationError:
        with pytest.raises(ConsentError):
            require_consent(request, IN_FORCE)
        return False
    require_consent(request, IN_FORCE)
    return True


def test_a_file_goes_from_admin_to_admin() -> None:
    first = ConfigUpdateRequest.from_bytes(REQUEST.signed_by(FORGE.admins[0]).to_bytes())
    assert not accepted(first)
    second = ConfigUpdateRequest.from_bytes(first.signed_by(FORGE.admins[1]).to_bytes())
    assert signers(second) == [admin.creator for admin in FORGE.admins[:2]]
    assert accepted(second)
    assert (second.channel_id, second.config_update) == ("veilmesh", REQUEST.config_update)


def test_copies_that_were_signed_apart_are_put_together() -> None:
    copies = [REQUEST.signed_by(admin) for admin in FORGE.admins]
    assert not any(map(accepted, copies))
    assert accepted(copies[0].merged(copies[2]))
    assert copies[0].merged(copies[0]) == copies[0]


def test_who_signs_again_counts_once() -> None:
    once = REQUEST.signed_by(FORGE.admins[0]).signed_by(FORGE.admins[1])
    assert signers(once.signed_by(FORGE.admins[0])) == [FORGE.admins[1].creator, FORGE.admins[0].creator]


def test_a_signature_in_another_name_keeps_nobody_from_signing() -> None:
    """Somebody who handles the file writes rubbish under an admin's name."""
    signed = REQUEST.signed_by(FORGE.admins[0]).signed_by(FORGE.admins[1])
    forged = ConfigUpdateRequest(
        REQUEST.channel_id,
        REQUEST.config_update,
        tuple(each._replace(signature=b"no") for each in signed.signatures),
    )
    assert not accepted(forged)
    assert accepted(forged.merged(signed))
    assert accepted(forged.signed_by(FORGE.admins[0]).signed_by(FORGE.admins[1]))


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ConsentError, match="nobody signed") as caught:
        require_consent(REQUEST, IN_FORCE)
    assert caught.value.wanted == (
        "/Channel/Application wants 2 of (admin of Org1MSP, admin of Org2MSP, admin of Org3MSP)",
    )
    with pytest.raises(ConsentError, match=r"admin\.org1\.example\.com of Org1MSP signed"):
        require_consent(REQUEST.signed_by(FORGE.admins[0]), IN_FORCE)


def test_an_update_that_another_one_overtook() -> None:
    signed = REQUEST.signed_by(FORGE.admins[0]).signed_by(FORGE.admins[1])
    new = proposed_config(CURRENT, signed.unsigned_envelope(), FORGE.now)
    later = ConfigInForce(ChannelConfig.from_proto("veilmesh", new.config), 1, FORGE.now, 2)
    with pytest.raises(ConfigOvertakenError, match="version 0 of /Channel/Application, which is at 1"):
        require_consent(signed, later)


def test_different_updates_do_not_share_signatures() -> None:
    root = without_org3()
    del root.groups["Application"].groups["Org2MSP"]
    with pytest.raises(ConfigUpdateError, match="different updates"):
        REQUEST.merged(ConfigUpdateRequest.between(CURRENT, root))


def test_an_update_of_nothing() -> None:
    with pytest.raises(ConfigUpdateError, match="change nothing"):
        ConfigUpdateRequest.between(CURRENT, CURRENT.root)


def envelope(kind: int, channel: str, data: bytes) -> bytes:
    header = common_pb2.ChannelHeader(type=kind, channel_id=channel)
    payload = common_pb2.Payload(header=common_pb2.Header(channel_header=serialized(header)), data=data)
    return serialized(common_pb2.Envelope(payload=serialized(payload)))


UPDATE = serialized(configtx_pb2.ConfigUpdateEnvelope(config_update=REQUEST.config_update))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\xff", "config update file is not a"),
        (envelope(common_pb2.CONFIG, "veilmesh", b""), "type 1 is no config update"),
        (envelope(common_pb2.CONFIG_UPDATE, "veilmesh", b"\xff"), "config update envelope is not a"),
        (
            envelope(common_pb2.CONFIG_UPDATE, "other", UPDATE),
            "for channel 'veilmesh', its envelope for 'other'",
        ),
    ],
    ids=["rubbish", "another envelope", "rubbish inside", "two channels"],
)
def test_a_file_that_holds_no_request(data: bytes, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        ConfigUpdateRequest.from_bytes(data)


def test_the_envelope_is_its_senders() -> None:
    sender = FORGE.clients[0]
    sent = REQUEST.envelope(sender, FORGE.now)
    header = common_pb2.Payload.FromString(sent.payload).header
    assert common_pb2.SignatureHeader.FromString(header.signature_header).creator == sender.creator
    assert ConfigUpdateRequest.from_envelope(sent) == REQUEST


def test_orderers_are_those_that_the_configuration_names() -> None:
    (orderer,) = orderer_endpoints(CURRENT)
    assert orderer.address == "orderer.example.com:7050"
    assert orderer.tls_roots_pem == FORGE.orderer_organisation.tls.root.certificate_pem
