"""The settings choose where surrogates are stored."""

import sys
from pathlib import Path

import pytest
from veilmesh_chaincode.records.registry import NodeRole
from veilmesh_node.config import NodeConfig
from veilmesh_node.content import FolderContentStore, IpfsContentStore
from veilmesh_node.errors import HomeError
from veilmesh_node.home import Home
from veilmesh_node.service import _content

CONFIG = NodeConfig(
    node_id="org1-node",
    msp_id="Org1MSP",
    roles=[NodeRole.OWNER],
    exchange_listen="127.0.0.1:7443",
    exchange_endpoint="127.0.0.1:7443",
    api_listen="127.0.0.1:7151",
    gateways=["127.0.0.1:7051"],
    channel="veilmesh",
    chaincode="veilmesh",
)
ON_DAEMON = CONFIG.model_copy(update={"ipfs_api": "127.0.0.1:5001"})


def test_a_folder_where_nothing_is_said(tmp_path: Path) -> None:
    with _content(Home(tmp_path), CONFIG) as store:
        assert isinstance(store, FolderContentStore)
    assert (tmp_path / "content").is_dir()


def test_a_daemon_where_one_is_named(tmp_path: Path) -> None:
    """It need not be up: this test could not even connect to it."""
    pytest.importorskip("ipfshttpclient", reason="surrogates in IPFS: install the [ipfs] extra")
    with _content(Home(tmp_path), ON_DAEMON) as store:
        assert isinstance(store, IpfsContentStore)
    assert list(tmp_path.iterdir()) == []


def test_without_the_client_the_node_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipfshttpclient", None)
    with (
        pytest.raises(HomeError, match=r"ipfs_api is set, .* pip install 'veilmesh\[ipfs\]'"),
        _content(Home(tmp_path), ON_DAEMON),
    ):
        pass
