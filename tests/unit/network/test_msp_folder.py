"""An MSP folder of somebody else's making becomes a definition that a channel can carry."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from veilmesh_fabric.errors import IdentityError
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.msp import Msp, MspManager
from veilmesh_fabric.principals import Role
from veilmesh_network.certificates import NodeRole
from veilmesh_network.errors import NetworkError
from veilmesh_network.msp_folder import read_msp_folder
from veilmesh_network.organisation import Organisation


@pytest.fixture
def organisation(tmp_path: Path) -> Organisation:
    return Organisation.create(tmp_path / "org4", "Org4MSP", "org4.example.com")


@pytest.mark.parametrize("role", list(NodeRole))
def test_its_identities_have_their_roles(organisation: Organisation, role: NodeRole) -> None:
    files = organisation.issue("somebody", role=role)
    msp = Msp.from_bytes(read_msp_folder(organisation.dir / "msp", "Org4MSP").SerializeToString())
    signer = SigningIdentity.from_msp_folder(files.msp_dir, "Org4MSP")
    identity = MspManager([msp]).identity(signer.creator, datetime.now(UTC))
    assert identity.roles == {Role.MEMBER, Role[role.name]}


def test_what_is_revoked_comes_with_it(organisation: Organisation) -> None:
    files = organisation.issue("leaver", role=NodeRole.CLIENT)
    organisation.revoke(["leaver"])
    msp = Msp.from_bytes(read_msp_folder(organisation.dir / "msp", "Org4MSP").SerializeToString())
    signer = SigningIdentity.from_msp_folder(files.msp_dir, "Org4MSP")
    with pytest.raises(IdentityError, match="revoked"):
        MspManager([msp]).identity(signer.creator, datetime.now(UTC))


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="no certificate in cacerts"):
        read_msp_folder(tmp_path, "Org4MSP")


def test_a_folder_with_rubbish(organisation: Organisation) -> None:
    (organisation.dir / "msp" / "cacerts" / "ca.pem").write_bytes(b"rubbish")
    with pytest.raises(NetworkError, match="cannot be used"):
        read_msp_folder(organisation.dir / "msp", "Org4MSP")
