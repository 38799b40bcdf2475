"""What a Fabric network's folder holds before anything runs: settings, addresses, what programs get."""

import io
import json
import stat
import tarfile
from pathlib import Path

import pytest
from cryptography import x509
from veilmesh_fabric.channel_config import ChannelConfig
from veilmesh_network.errors import NetworkError
from veilmesh_network.fabric.binaries import Binaries, Release
from veilmesh_network.fabric.configuration import chaincode_program, orderer_program, peer_program
from veilmesh_network.fabric.package import member_package
from veilmesh_network.fabric.plan import Orderers
from veilmesh_network.network import CHAINCODE_SERVICE, Network, tls_of

_BINARIES = Binaries(Path("/opt/peer"), Path("/opt/orderer"), Release.V3, "v3.1.5")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Network:
    folder = tmp_path_factory.mktemp('with "quotes" and spaces') / "network"
    return Network.create(folder, members=2, orderers=Orderers.RAFT3, port=7050)


def test_a_folder_remembers_what_it_was_made_for(network: Network) -> None:
    assert Network.load(network.folder) == network
    assert network.address == "127.0.0.1:7090"
    assert network.orderer_names() == ["orderer1", "orderer2", "orderer3"]


def test_everybody_connects_to_their_own_peer_first(network: Network) -> None:
    assert network.gateways("Org1MSP") == ["127.0.0.1:7090", "127.0.0.1:7100"]
    assert network.gateways("Org2MSP") == ["127.0.0.1:7100", "127.0.0.1:7090"]
    assert network.gateways("AuditMSP") == ["127.0.0.1:7090", "127.0.0.1:7100"]


def test_the_roots_vouch_for_all_gateways(network: Network) -> None:
    roots = x509.load_pem_x509_certificates(network.tls_roots.read_bytes())
    assert roots == [member.tls.root.certificate for member in network.members]


def test_the_embedded_ledger_has_one_gateway(tmp_path: Path) -> None:
    network = Network.create(tmp_path / "network", members=1, port=7050)
    assert network.fabric is None
    assert network.gateways("Org1MSP") == network.gateways("AuditMSP") == ["127.0.0.1:7050"]
    assert network.tls_roots.read_bytes() == network.orderer.tls.root.certificate_pem


@pytest.mark.parametrize(
    ("orderers", "consensus", "consenters"),
    [(Orderers.RAFT, "etcdraft", 0), (Orderers.RAFT3, "etcdraft", 0), (Orderers.BFT, "BFT", 4)],
)
def test_the_channel_names_orderers_and_anchor_peers(
    tmp_path: Path, orderers: Orderers, consensus: str, consenters: int
) -> None:
    network = Network.create(tmp_path / "network", members=2, orderers=orderers, port=7050)
    config = ChannelConfig.from_block(network.channel_block.read_bytes())
    (ordering,) = config.orderer.organizations
    assert (config.orderer.consensus_type, len(config.orderer.consenters)) == (consensus, consenters)
    assert ordering.orderer_endpoints == tuple(f"127.0.0.1:{7050 + 10 * k}" for k in range(orderers.size))
    anchors = {
        each.msp_id: [(peer.host, peer.port) for peer in each.anchor_peers]
        for each in config.application.organizations
    }
    assert anchors == {
        "Org1MSP": [("127.0.0.1", 7090)],
        "Org2MSP": [("127.0.0.1", 7100)],
        "AuditMSP": [],
    }


def test_fabric_2_5_has_no_smartbft(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"SmartBFT orderers need Fabric 3; Fabric 2\.5 has Raft alone"):
        Network.create(tmp_path / "network", orderers=Orderers.BFT, channel_capability="V2_0")
    network = Network.create(
        tmp_path / "network", members=1, orderers=Orderers.RAFT, channel_capability="V2_0"
    )
    config = ChannelConfig.from_block(network.channel_block.read_bytes())
    assert config.capabilities == {"V2_0"}


def test_the_same_package_each_time(network: Network) -> None:
    member = network.members[0]
    package = member_package(member, "127.0.0.1:7093", "veilmesh_1.0")
    again = member_package(member, "127.0.0.1:7093", "veilmesh_1.0")
    assert package.content == again.content
    assert package.id == again.id
    assert package.id.startswith("veilmesh_1.0:")
    others = {
        member_package(network.members[1], "127.0.0.1:7093", "veilmesh_1.0").id,
        member_package(member, "127.0.0.1:7094", "veilmesh_1.0").id,
        member_package(member, "127.0.0.1:7093", "veilmesh_1.1").id,
    }
    assert len(others | {package.id}) == 4


def test_a_package_says_how_to_reach_the_service(network: Network) -> None:
    member = network.members[0]
    package = member_package(member, "127.0.0.1:7093", "veilmesh_1.0")
    with tarfile.open(fileobj=io.BytesIO(package.content)) as outer:
        assert outer.getnames() == ["metadata.json", "code.tar.gz"]
        metadata, code = (_read(outer, name) for name in outer.getnames())
    assert json.loads(metadata) == {"label": "veilmesh_1.0", "type": "ccaas"}
    with tarfile.open(fileobj=io.BytesIO(code)) as inner:
        connection = json.loads(_read(inner, "connection.json"))
    assert connection["address"] == "127.0.0.1:7093"
    assert connection["tls_required"] is connection["client_auth_required"] is True
    assert connection["client_cert"].encode() == tls_of(member.identity("peer0")).certificate.read_bytes()
    service = x509.load_pem_x509_certificate(member.service(CHAINCODE_SERVICE).certificate.read_bytes())
    service.verify_directly_issued_by(x509.load_pem_x509_certificate(connection["root_cert"].encode()))


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()


def test_a_peer_is_started_with_files_of_its_own(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORE_PEER_ADDRESS", "peer.elsewhere:7051")
    member = network.members[1]
    assert network.fabric is not None
    program = peer_program(network, member, network.fabric.ports.member(2), _BINARIES)
    assert program.name == "peer0.org2.example.com"
    assert program.arguments == ("/opt/peer", "node", "start")
    assert not [name for name in program.environment if name.startswith("CORE_")]
    core = (Path(program.environment["FABRIC_CFG_PATH"]) / "core.yaml").read_text()
    assert "$" not in core
    assert 'localMspId: "Org2MSP"' in core
    assert f"mspConfigPath: {json.dumps(str(member.identity('peer0').msp_dir.resolve()))}" in core
    scripts = sorted((network.folder / "fabric" / "builder" / "bin").iterdir())
    assert [script.name for script in scripts] == ["build", "detect", "release"]
    assert all(stat.S_IMODE(script.stat().st_mode) == 0o755 for script in scripts)


def test_an_orderer_is_started_with_files_of_its_own(network: Network) -> None:
    assert network.fabric is not None
    program = orderer_program(network, "orderer3", network.fabric.ports.orderer(3), _BINARIES)
    assert program.name == "orderer3.example.com"
    text = (Path(program.environment["FABRIC_CFG_PATH"]) / "orderer.yaml").read_text()
    assert "$" not in text
    assert "ListenPort: 7070" in text
    assert "ClientAuthRequired: true" in text


def test_a_chaincode_service_speaks_mutual_tls(network: Network) -> None:
    assert network.fabric is not None
    member = network.members[0]
    program = chaincode_program(network, member, network.fabric.ports.member(1), "veilmesh_1.0:00")
    settings = {name: value for name, value in program.environment.items() if name.startswith("CHAINCODE_")}
    assert settings["CHAINCODE_ID"] == "veilmesh_1.0:00"
    assert settings["CHAINCODE_SERVER_ADDRESS"] == "127.0.0.1:7093"
    assert Path(settings["CHAINCODE_TLS_CLIENT_CACERT"]).read_bytes() == member.tls.root.certificate_pem


def test_data_of_another_network_are_refused(network: Network) -> None:
    assert network.fabric is not None
    ports = network.fabric.ports.orderer(2)
    program = orderer_program(network, "orderer2", ports, _BINARIES)
    mark = program.log.parent / "channel.sha256"
    chains = program.log.parent / "data" / "chains"
    chains.mkdir()
    mark.write_text("0" * 64 + "\n")
    with pytest.raises(NetworkError, match="holds the ledger of another network"):
        orderer_program(network, "orderer2", ports, _BINARIES)
    chains.rmdir()
    orderer_program(network, "orderer2", ports, _BINARIES)  # nothing in it any more: it is this network's
    mark.unlink()
    chains.mkdir()
    with pytest.raises(NetworkError, match="began with block none"):
        orderer_program(network, "orderer2", ports, _BINARIES)
