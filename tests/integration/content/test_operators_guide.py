"""The commands by which docs/operators-guide.md makes a private swarm, run as they stand there."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from veilmesh_node.content import FolderContentStore, IpfsContentStore
from veilmesh_node.content.kubo import KuboDaemon
from veilmesh_node.content.private_daemon import PrivateDaemon

from tests.conftest import PROJECT
from tests.integration.content.conftest import QUICK
from tests.unit.node.plugs import forged_surrogate

pytestmark = pytest.mark.ipfs


def boxes() -> list[str]:
    """The section's shell commands: the key, the daemon, the way from the folder."""
    guide = (PROJECT / "docs" / "operators-guide.md").read_text()
    section = guide.partition("\n## Surrogates in IPFS\n")[2].partition("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)


@pytest.fixture
def made(_ipfs: None, tmp_path: Path) -> Iterator[PrivateDaemon]:
    """A daemon made by the guide, on ports of this test's own."""
    key, daemon, _ = boxes()
    run(key + daemon, tmp_path)
    made = PrivateDaemon(tmp_path / "ipfs")
    made.configure(
        Addresses={"API": "/ip4/127.0.0.1/tcp/0", "Gateway": [], "Swarm": ["/ip4/127.0.0.1/tcp/0"]}
    )
    with made:
        yield made.start(online=True)


def run(commands: str, folder: Path) -> str:
    environment = os.environ | {"IPFS_PATH": str(folder / "ipfs"), "NODE_HOME": str(folder / "node")}
    return subprocess.run(
        ["bash", "-e", "-u", "-c", commands],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


async def test_a_daemon_by_the_guide_is_private_and_takes_the_folders_surrogates(
    made: PrivateDaemon, tmp_path: Path
) -> None:
    daemon = KuboDaemon(made.address, QUICK)
    try:
        await daemon.require_private()
        folder = FolderContentStore(tmp_path / "node" / "content")
        stored = {await folder.put(forged_surrogate(bytes([number]) * 300_000)) for number in range(3)}
        added = run(boxes()[2], tmp_path).split()
        assert set(added) == stored
        assert stored <= set(await daemon.pins())
        assert await IpfsContentStore(daemon).put(forged_surrogate(b"a surrogate"))
    finally:
        daemon.close()
