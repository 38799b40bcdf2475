"""A sealed probe opens for the one it was sealed to, in the one authentication it belongs to."""

from dataclasses import fields, replace

import pytest
from veilmesh_node.errors import SealingError
from veilmesh_node.sealing import Binding, SealingKey, seal

BINDING = Binding(
    authentication_id="a" * 64,
    challenge="c" * 64,
    relying_node_id="org2-node",
    decider_node_id="org1-node",
    model_digest="d" * 64,
)


@pytest.fixture(scope="module")
def key() -> SealingKey:
    return SealingKey.generate()


def test_opens_what_was_sealed(key: SealingKey) -> None:
    assert key.open(seal(b"probe", key.public_hex(), BINDING), BINDING) == b"probe"


def test_key_survives_serialisation(key: SealingKey) -> None:
    again = SealingKey(key.to_secret())
    assert again.public_hex() == key.public_hex()
    assert again.open(seal(b"probe", key.public_hex(), BINDING), BINDING) == b"probe"


@pytest.mark.parametrize("name", [field.name for field in fields(Binding)])
def test_any_other_binding_does_not_open(key: SealingKey, name: str) -> None:
    sealed = seal(b"probe", key.public_hex(), BINDING)
    with pytest.raises(SealingError):
        key.open(sealed, replace(BINDING, **{name: "other"}))


@pytest.mark.parametrize("position", [0, 1087, 1088, 1119, 1120, -1])
def test_any_changed_byte_does_not_open(key: SealingKey, position: int) -> None:
    sealed = bytearray(seal(b"probe", key.public_hex(), BINDING))
    sealed[position] ^= 1
    with pytest.raises(SealingError):
        key.open(bytes(sealed), BINDING)


def test_another_key_does_not_open(key: SealingKey) -> None:
    with pytest.raises(SealingError):
        SealingKey.generate().open(seal(b"probe", key.public_hex(), BINDING), BINDING)


@pytest.mark.parametrize("sealed", [b"", b"short", bytes(1120)])
def test_rubbish_does_not_open(key: SealingKey, sealed: bytes) -> None:
    with pytest.raises(SealingError):
        key.open(sealed, BINDING)


@pytest.mark.parametrize("public_hex", ["", "zz", "00" * 32, "ff" * 1216])
def test_no_public_key_is_refused(public_hex: str) -> None:
    with pytest.raises(SealingError):
        seal(b"probe", public_hex, BINDING)
