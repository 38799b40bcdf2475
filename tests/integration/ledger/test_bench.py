"""The measurement itself: it runs whole on a small size, counts what it did, and leaves nothing running."""

import pytest
from veilmesh_network.bench import RECEIPTS_A_BATCH, Operation, Stage, bench_ledger


async def test_a_small_bench() -> None:
    said: list[str] = []
    stages = [
        Stage(Operation.ANCHOR, 10, 40),
        Stage(Operation.REGISTER, 10, 20),
        Stage(Operation.AUTHENTICATE, 1, 5),
        Stage(Operation.EVALUATE, 10, 40),
        Stage(Operation.ANCHOR_BATCH, 2, 2),
    ]
    result = await bench_ledger(stages, said.append)
    done = [Stage(each.operation, each.concurrency, each.count) for each in result.stages]
    assert done == stages
    for each in result.stages:
        assert 0 < each.p50_ms <= each.p99_ms
        assert each.ledger_cpu_ms > 0
        assert each.load_cpu_ms > 0
    anchor, _, authenticate, evaluate, batch = result.stages
    assert evaluate.per_s > anchor.per_s > authenticate.per_s
    assert result.receipts_per_s == pytest.approx(batch.per_s * RECEIPTS_A_BATCH)
    assert result.endorsements == 3
    assert result.blocks > 10  # genesis, definition, and the eleven changes that prepare the consortium
    assert result.memory_mib["ledger"] > 10
    assert said
