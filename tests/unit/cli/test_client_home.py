from pathlib import Path

import pytest
from veilmesh_node.cli.client_home import ClientHome, NodeAccess
from veilmesh_node.errors import HomeError

HOME = ClientHome(
    msp_id="Org1MSP",
    msp=Path("msp"),
    gateways=["127.0.0.1:7051"],
    gateway_tls_roots=Path("roots.pem"),
    channel="veilmesh",
    chaincode="veilmesh",
    anchor=Path("channel.block"),
)
NODE = NodeAccess(
    address="127.0.0.1:7151", tls_roots=Path("r"), tls_certificate=Path("tls/c"), tls_key=Path("tls/k")
)


@pytest.mark.parametrize("node", [None, NODE])
def test_what_was_written_is_read_with_absolute_paths(tmp_path: Path, node: NodeAccess | None) -> None:
    HOME.model_copy(update={"node": node}).write(tmp_path)
    home = ClientHome.load(tmp_path)
    assert home.msp == tmp_path / "msp"
    assert home.anchor == tmp_path / "channel.block"
    assert (home.node is None) == (node is None)
    if home.node is not None:
        assert home.node.tls_key == tmp_path / "tls" / "k"
        assert home.node.address == NODE.address


@pytest.mark.parametrize(
    ("content", "said"),
    [("msp_id = ", "client.toml"), ('msp_id = "Org1MSP"\n', "gateway"), ("surplus = 1\n", "surplus")],
)
def test_a_wrong_file_is_named(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "client.toml").write_text(content)
    with pytest.raises(HomeError, match=said):
        ClientHome.load(tmp_path)


def test_a_tls_certificate_for_gateways_comes_with_its_key(tmp_path: Path) -> None:
    shown = {"gateway_tls_certificate": Path("tls.crt"), "gateway_tls_key": Path("tls.key")}
    HOME.model_copy(update=shown).write(tmp_path)
    home = ClientHome.load(tmp_path)
    assert (home.gateway_tls_certificate, home.gateway_tls_key) == (
        tmp_path / "tls.crt",
        tmp_path / "tls.key",
    )
    file = tmp_path / "client.toml"
    file.write_text(file.read_text().replace('gateway_tls_key = "tls.key"\n', ""))
    with pytest.raises(HomeError, match="belong together"):
        ClientHome.load(tmp_path)


def test_a_folder_without_one(tmp_path: Path) -> None:
    with pytest.raises(HomeError, match="no client's home"):
        ClientHome.load(tmp_path)
