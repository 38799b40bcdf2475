"""The measurement itself: it runs whole on a small size, counts what it did, and leaves nothing running."""

from veilmesh_network.bench import BenchSize, bench_ledger


async def test_a_small_bench() -> None:
    said: list[str] = []
    size = BenchSize(submits=40, lone_submits=5, evaluates=40, concurrency=10)
    result = await bench_ledger(size, said.append)
    assert (result.submits, result.lone_submits, result.evaluates) == (40, 5, 40)
    assert result.submit_per_s > 0
    assert result.evaluate_per_s > result.submit_per_s
    assert result.lone_submit_p50_ms > 0
    assert result.submit_ledger_cpu_ms > result.evaluate_ledger_cpu_ms > 0
    assert result.submit_load_cpu_ms > result.evaluate_load_cpu_ms > 0
    assert result.endorsements == 3
    assert result.blocks > 5 + 5 + 2  # lone submits, founding and approvals, genesis and definition
    assert said
