"""What a ledger's runtime runs: the consortium's contracts (`chaincode.py`), or a test's."""

from collections.abc import Sequence
from typing import Protocol

from veilmesh_chaincode.stub import Stub


class ChaincodeResponse(Protocol):
    """The shape of `chaincode.Response`."""

    @property
    def status(self) -> int: ...

    @property
    def message(self) -> str: ...

    @property
    def payload(self) -> bytes: ...


class Chaincode(Protocol):
    async def invoke(self, stub: Stub, args: Sequence[bytes], /) -> ChaincodeResponse:
        """Run one function; a response of 400 or more means that nothing it wrote may be endorsed."""
        ...
