"""The consortium of the contracts' own tests, acting on a running ledger instead of one in memory."""

import time
from typing import Any

from veilmesh_chaincode.records.base import Document
from veilmesh_chaincode.records.enrolment import Reference
from veilmesh_chaincode.stub import Creator
from veilmesh_fabric import SigningIdentity
from veilmesh_network.certificates import NodeRole
from veilmesh_network.network import Network

from tests.integration.ledger.ledger import Ledger
from tests.unit.chaincode.consortium import World
from tests.unit.chaincode.memory_ledger import Result


class LiveWorld(World):
    def __init__(self, ledger: Ledger, network: Network) -> None:
        super().__init__()
        self._live = ledger
        self._identities = {
            (member.msp_id, role): SigningIdentity.from_msp_folder(
                member.issue(f"a-{role}", role=NodeRole.CLIENT, attributes={"role": role}).msp_dir,
                member.msp_id,
            )
            for member in network.members
            for role in ("operator", "node", "auditor")
        }
        self._identities["AuditMSP", "auditor"] = ledger.identities["audit"]

    async def call(
        self, who: Creator, function: str, request: Document | None, result: type[Result]
    ) -> Result:
        identity = self._identities[who.msp_id, who.attributes["role"]]
        contract = self._live.contract_as(identity)
        arguments = [] if request is None else [request.to_bytes()]
        if function == "registry:GetConsortium":
            return result.from_bytes(await contract.evaluate(function, *arguments))
        return result.from_bytes((await contract.submit(function, *arguments)).result)

    async def enrol(self, msp_id: str, number: int = 1, **changes: Any) -> Reference:
        return await super().enrol(msp_id, number, **{"expires_at_s": int(time.time()) + 50_000, **changes})
