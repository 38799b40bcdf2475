"""What runs on the ledgers that are compared: beside the consortium's own chaincode, three for tests.

kv       keys and values
split    the same, but Org3's peer runs a contract that lies
life     the consortium's contracts once more, with a state of their own
"""

from veilmesh_chaincode.chaincode import Chaincode as Contracts
from veilmesh_chaincode.runtime import Chaincode

from tests.integration.ledger.key_value import KeyValue, LyingKeyValue

KEY_VALUE, SPLIT, LIFE = CHAINCODES = ("kv", "split", "life")
LIAR = "Org3MSP"


def chaincode_of(name: str, msp_id: str) -> Chaincode:
    """Return what an organisation's peer runs as chaincode `name`."""
    match name:
        case "kv":
            return KeyValue()
        case "split":
            return LyingKeyValue() if msp_id == LIAR else KeyValue()
        case "life" | "veilmesh":
            return Contracts()
    raise ValueError(f"the tests have no chaincode {name!r}")
