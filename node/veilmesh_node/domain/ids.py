"""Names drawn at random: they say nothing about whom they stand for."""

import secrets
from typing import NewType

OperationId = NewType("OperationId", str)


def new_reference_id() -> str:
    """128 random bits in hex: a pseudonym that nothing derives from the person or the photo."""
    return secrets.token_hex(16)


def new_operation_id() -> OperationId:
    return OperationId(secrets.token_hex(8))
