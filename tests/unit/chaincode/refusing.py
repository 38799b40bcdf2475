"""`with refuses(RefusalCode.X) as refusal:` for what the ledger must not allow."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode


@contextmanager
def refuses(code: RefusalCode) -> Iterator[pytest.ExceptionInfo[Refusal]]:
    with pytest.raises(Refusal) as caught:
        yield caught
    assert caught.value.code is code, caught.value.message
