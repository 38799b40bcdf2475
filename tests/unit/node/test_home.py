"""Settings and home folders: written, read back, refused with what is wrong."""

from pathlib import Path

import pytest
from veilmesh_chaincode.records.registry import NodeRole
from veilmesh_node.config import NodeConfig
from veilmesh_node.domain.secret import Secret
from veilmesh_node.errors import HomeError
from veilmesh_node.home import SEALING_SECRET, Home, IssuedFiles, create_home, read_passphrase
from veilmesh_node.sealing import SealingKey
from veilmesh_node.vault import Database, open_key_file
from veilmesh_node.vault.secret_store import SecretStore

from tests.unit.node.plugs import PemSigner

CONFIG = NodeConfig(
    node_id="org1-node",
    msp_id="Org1MSP",
    roles=[NodeRole.OWNER, NodeRole.RELYING],
    exchange_listen="127.0.0.1:7443",
    exchange_endpoint="node.org1.example.com:7443",
    api_listen="127.0.0.1:7151",
    metrics_listen="127.0.0.1:9464",
    gateways=["127.0.0.1:7051"],
    channel="veilmesh",
    chaincode="veilmesh",
)


@pytest.fixture
def issued(tmp_path: Path) -> IssuedFiles:
    folder = tmp_path / "issued"
    for name in ("msp/signcerts/cert.pem", "msp/keystore/key.pem", "tls.crt", "tls.key", "a.pem", "b.pem"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    (folder / "tls.crt").write_bytes(PemSigner().certificate_pem)
    return IssuedFiles(
        msp=folder / "msp",
        tls_certificate=folder / "tls.crt",
        tls_key=folder / "tls.key",
        exchange_roots=[folder / "a.pem", folder / "b.pem"],
        client_roots=[folder / "a.pem"],
        gateway_roots=folder / "b.pem",
    )


def make(tmp_path: Path, issued: IssuedFiles) -> Home:
    return create_home(tmp_path / "home", CONFIG, issued, Secret(b"open sesame"), scrypt_n=2**4)


def test_a_home_has_what_a_node_needs(tmp_path: Path, issued: IssuedFiles) -> None:
    home = make(tmp_path, issued)
    assert NodeConfig.load(home.folder) == CONFIG
    assert home.exchange_roots.read_bytes() == b"a.pemb.pem"
    assert len(home.tls_certificate_sha256()) == 64
    key = open_key_file(home.key_file, Secret(b"open sesame"))
    with Database(home.vault) as database:
        SealingKey(SecretStore(database, key).get(SEALING_SECRET))


def test_a_home_is_not_made_twice(tmp_path: Path, issued: IssuedFiles) -> None:
    make(tmp_path, issued)
    with pytest.raises(HomeError, match="not empty"):
        make(tmp_path, issued)


def test_a_home_that_could_not_be_finished_is_none(tmp_path: Path, issued: IssuedFiles) -> None:
    issued.tls_key.unlink()
    with pytest.raises(HomeError, match=r"tls\.key: No such file"):
        make(tmp_path, issued)
    with pytest.raises(HomeError, match="is no node's home"):
        NodeConfig.load(tmp_path / "home")


def test_the_environment_wins(tmp_path: Path, issued: IssuedFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    home = make(tmp_path, issued)
    monkeypatch.setenv("VEILMESH_GATEWAYS", '["peer.example.com:7051", "10.0.0.2:7051 as peer0.example.com"]')
    assert NodeConfig.load(home.folder).gateways == [
        "peer.example.com:7051",
        "10.0.0.2:7051 as peer0.example.com",
    ]


@pytest.mark.parametrize("gateways", ["[]", '["no port"]', '["a:7051 as"]', '["a:7051 as b c"]'])
def test_gateways_that_are_none_are_refused(tmp_path: Path, issued: IssuedFiles, gateways: str) -> None:
    file = make(tmp_path, issued).folder / "node.toml"
    file.write_text(file.read_text().replace('["127.0.0.1:7051"]', gateways))
    with pytest.raises(HomeError, match=r"node\.toml: gateways"):
        NodeConfig.load(file.parent)


def test_the_encoder_is_a_path(tmp_path: Path, issued: IssuedFiles) -> None:
    home = make(tmp_path, issued)
    file = home.folder / "node.toml"
    file.write_text(file.read_text() + 'encoder = "models/other.onnx"\n')
    config = NodeConfig.load(home.folder)
    assert config.encoder == Path("models/other.onnx")
    file.write_text(config.to_toml())
    assert NodeConfig.load(home.folder) == config


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("this is not TOML", r"node\.toml"),
        ('metrics_listen = "0.0.0.0:9464"', "loopback"),
        ('ipfs_api = "10.0.0.1:5001"', "ipfs_api: .*loopback"),
        ('api_listen = "nowhere"', "api_listen: String should match"),
        ('roles = ["king"]', r"roles\.0: Input should be"),
        ('colour = "blue"', "colour: Extra inputs"),
    ],
)
def test_wrong_settings_are_named(tmp_path: Path, issued: IssuedFiles, line: str, message: str) -> None:
    home = make(tmp_path, issued)
    file = home.folder / "node.toml"
    name = line.split(" = ", maxsplit=1)[0]
    kept = [each for each in file.read_text().splitlines() if not each.startswith(f"{name} =")]
    file.write_text("\n".join([*kept, line]) + "\n")
    with pytest.raises(HomeError, match=message):
        NodeConfig.load(home.folder)


def test_passphrases_are_first_lines(tmp_path: Path) -> None:
    file = tmp_path / "passphrase"
    file.write_bytes(b" open sesame \r\nsecond line\n")
    assert read_passphrase(file).reveal() == b" open sesame "
    with pytest.raises(HomeError, match="No such file"):
        read_passphrase(tmp_path / "missing")


def test_an_unreadable_certificate_is_said_so(tmp_path: Path, issued: IssuedFiles) -> None:
    home = make(tmp_path, issued)
    home.tls_certificate.write_text("no certificate")
    with pytest.raises(HomeError, match=r"server\.crt"):
        home.tls_certificate_sha256()
