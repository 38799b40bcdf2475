"""Who was revoked before the channel was founded: its first block says so, and each network has one alone.

What both ledgers are held to is in `tests/conformance/test_access.py`.
"""

from pathlib import Path

import pytest
from veilmesh_fabric import EvaluateError, SigningIdentity
from veilmesh_network.certificates import NodeRole
from veilmesh_network.genesis import genesis_block
from veilmesh_network.network import Network

from tests.integration.ledger.key_value import KeyValue
from tests.integration.ledger.ledger import embedded


async def test_a_certificate_revoked_before_the_channel_was_founded(tmp_path: Path) -> None:
    network = Network.create(tmp_path / "network", members=1)
    member = network.members[0]
    files = member.issue("leaver", role=NodeRole.CLIENT)
    member.revoke(["leaver"])
    network.channel_block.write_bytes(genesis_block(network.channel_profile()).SerializeToString())
    async with embedded(network, tmp_path / "ledger.db", KeyValue()) as ledger:
        leaver = SigningIdentity.from_msp_folder(files.msp_dir, member.msp_id)
        with pytest.raises(EvaluateError, match="revoked"):
            await ledger.contract_as(leaver).evaluate("get", "key")
        await ledger.contract().submit("put", "key", "value")
        await ledger.verify()
