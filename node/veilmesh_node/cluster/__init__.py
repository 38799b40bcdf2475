"""Several machines at one work: a head that the ledger governs, workers that it admits, jobs cut into items.

    head.py        the head: Ray's own, and who may work; asks the ledger again and again
    worker.py      a machine that joins, and leaves when it is told to
    submission.py  a job: items from disk to workers, results back to disk

Ray (the extra [cluster]) is imported only by `machine.py`, `ray_crew.py` and `ray_nodes.py`, and there when a
function runs. ADR 13 says what Ray enforces and what it does not.
"""
