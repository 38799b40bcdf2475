"""The consortium itself on a ledger: founded once, by whichever test needs it first."""

from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import FoundConsortium
from veilmesh_fabric import EndorseError

from tests.integration.ledger.ledger import Ledger


async def found(ledger: Ledger) -> None:
    request = FoundConsortium(members=["Org1MSP", "Org2MSP", "Org3MSP"], auditors=["AuditMSP"])
    try:
        await ledger.contract(chaincode="veilmesh").submit("registry:FoundConsortium", request.to_bytes())
    except EndorseError as err:
        refusal = Refusal.from_message(err.details[0].message)
        if refusal is None or refusal.code is not RefusalCode.ALREADY_EXISTS:
            raise
