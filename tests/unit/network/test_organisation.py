"""An organisation's folder: what is written can be read, by us and by Fabric's rules."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from veilmesh_fabric.errors import IdentityError
from veilmesh_fabric.identity import SigningIdentity
from veilmesh_fabric.msp import Msp, MspManager
from veilmesh_fabric.principals import Role
from veilmesh_network.certificates import NodeRole
from veilmesh_network.errors import NetworkError
from veilmesh_network.organisation import IdentityFiles, Organisation


@pytest.fixture
def organisation(tmp_path: Path) -> Organisation:
    return Organisation.create(tmp_path / "org1.example.com", "Org1MSP", "org1.example.com")


def _manager(organisation: Organisation) -> MspManager:
    return MspManager([Msp.from_bytes(organisation.definition().SerializeToString())])


def _signer(files: IdentityFiles) -> SigningIdentity:
    return SigningIdentity.from_msp_folder(files.msp_dir, "Org1MSP")


@pytest.mark.parametrize("role", list(NodeRole))
def test_its_msp_stands_behind_what_it_issues(organisation: Organisation, role: NodeRole) -> None:
    signer = _signer(organisation.issue("someone", role=role))
    identity = _manager(organisation).identity(signer.creator, datetime.now(UTC))
    assert identity.roles == {Role.MEMBER, Role[role.name]}


def test_a_loaded_organisation_issues_for_the_same_msp(organisation: Organisation) -> None:
    loaded = Organisation.load(organisation.dir)
    assert (loaded.msp_id, loaded.domain) == ("Org1MSP", "org1.example.com")
    signer = _signer(loaded.issue("later", role=NodeRole.CLIENT))
    _manager(organisation).identity(signer.creator, datetime.now(UTC))


def test_whom_it_revoked_is_refused(organisation: Organisation) -> None:
    gone = _signer(organisation.issue("gone", role=NodeRole.CLIENT))
    stays = _signer(organisation.issue("stays", role=NodeRole.CLIENT))
    organisation.revoke(["gone"])
    manager = _manager(organisation)
    manager.identity(stays.creator, datetime.now(UTC))
    with pytest.raises(IdentityError, match="revoked"):
        manager.identity(gone.creator, datetime.now(UTC))


def test_who_was_revoked_before_stays_so(organisation: Organisation) -> None:
    gone = [_signer(organisation.issue(name, role=NodeRole.CLIENT)) for name in ("first", "second")]
    for name in ("first", "second"):
        path = organisation.revoke([name])
    before = path.read_bytes()
    assert organisation.revoke(["first"]).read_bytes() == before
    for signer in gone:
        with pytest.raises(IdentityError, match="revoked"):
            _manager(organisation).identity(signer.creator, datetime.now(UTC))


def test_files_with_keys_are_the_owners_alone(organisation: Organisation) -> None:
    organisation.issue("peer0", role=NodeRole.PEER, tls_hosts=["peer0"])
    secret = {
        path.relative_to(organisation.dir).as_posix()
        for path in organisation.dir.rglob("*")
        if path.is_file() and b"PRIVATE KEY" in path.read_bytes()
    }
    assert secret == {
        "ca/key.pem",
        "tlsca/key.pem",
        "identities/peer0/msp/keystore/key.pem",
        "identities/peer0/tls/server.key",
    }
    assert {stat.S_IMODE((organisation.dir / path).stat().st_mode) for path in secret} == {0o600}


def test_an_msp_folder_has_what_fabric_looks_for(organisation: Organisation) -> None:
    files = organisation.issue("peer0", role=NodeRole.PEER)
    assert {path.name for path in files.msp_dir.iterdir()} == {
        "cacerts",
        "tlscacerts",
        "signcerts",
        "keystore",
        "config.yaml",
    }
    assert "PeerOUIdentifier:\n    Certificate: cacerts/ca.pem" in (files.msp_dir / "config.yaml").read_text()
    assert not (organisation.dir / "msp" / "keystore").exists()


def test_what_exists_is_not_made_again(organisation: Organisation) -> None:
    organisation.issue("peer0", role=NodeRole.PEER)
    with pytest.raises(NetworkError, match="has an identity 'peer0' already"):
        organisation.issue("peer0", role=NodeRole.PEER)
    with pytest.raises(NetworkError, match="holds an organisation already"):
        Organisation.create(organisation.dir, "Org1MSP", "org1.example.com")


def test_what_does_not_exist_is_named(organisation: Organisation, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="has no identity 'nobody'"):
        organisation.identity("nobody")
    with pytest.raises(NetworkError, match="holds no readable organisation"):
        Organisation.load(tmp_path)
