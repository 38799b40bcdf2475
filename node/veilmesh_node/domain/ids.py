"""Names drawn at random: they say nothing about whom they stand for."""

import re
import secrets
from typing import NewType

OperationId = NewType("OperationId", str)


def new_reference_id() -> str:
    """128 random bits in hex: a pseudonym that nothing derives from the person or the photo."""
    return secrets.token_hex(16)


def new_operation_id() -> OperationId:
    return OperationId(secrets.token_hex(8))


def is_tx_id(text: str) -> bool:
    """Whether `text` has the form of a transaction's, and so of an authentication's, id."""
    return re.fullmatch(r"[0-9a-f]{64}", text) is not None


def is_reference_id(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{32}", text) is not None


def is_name(text: str) -> bool:
    """Whether `text` has the form of the names that the ledger takes: purposes, methods, nodes."""
    return re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", text) is not None
