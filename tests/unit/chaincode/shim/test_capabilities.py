"""What a peer says it takes is what it gets; a peer that says nothing gets single requests."""

import pytest
from veilmesh_chaincode.shim.capabilities import Capabilities


def number(field: int, value: int) -> bytes:
    assert value < 1 << 14
    return bytes([field << 3]) + (bytes([value]) if value < 128 else bytes([value & 127 | 128, value >> 7]))


FABRIC_3_1 = (
    number(1, 1) + number(2, 1000) + number(3, 1) + number(4, 1000)
)  # as sampleconfig/core.yaml has it


@pytest.mark.parametrize(
    ("ready", "expected"),
    [
        (b"", Capabilities(1, 1)),
        (FABRIC_3_1, Capabilities(1000, 1000)),
        (number(2, 1000) + number(4, 1000), Capabilities(1, 1)),  # sizes alone: batches are switched off
        (number(1, 1) + number(2, 50), Capabilities(50, 1)),
        (number(3, 1) + number(4, 200), Capabilities(1, 200)),
        (number(1, 1) + number(3, 1), Capabilities(1, 1)),  # no sizes
        (FABRIC_3_1 + number(9, 5), Capabilities(1000, 1000)),  # a newer peer says more
    ],
)
def test_ready(ready: bytes, expected: Capabilities) -> None:
    assert Capabilities.from_ready(ready) == expected
