"""Reading at once changes nothing but the number of requests: the same keys are read as one by one."""

import pytest
from veilmesh_chaincode import chaincode
from veilmesh_chaincode.contracts import FUNCTIONS, lookahead

from tests.unit.chaincode.consortium import complete
from tests.unit.chaincode.life import live


def test_a_transaction_reads_what_it_would_read_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for world, step, at_once in live():
        with monkeypatch.context() as patch:
            patch.setattr(chaincode, "sure_keys", lambda *_: [])
            one_by_one = complete(
                world.ledger.simulate(
                    step.who, step.function, step.request, now_s=world.now_s, tx_id=step.tx_id
                )
            )
        assert at_once.stub.reads == one_by_one.stub.reads, step.function
        assert at_once.response == one_by_one.response, step.function


def test_only_functions_that_exist_are_listed() -> None:
    assert lookahead._KEYS.keys() <= FUNCTIONS.keys()
