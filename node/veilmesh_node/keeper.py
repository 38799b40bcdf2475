"""Keeps house while a node serves: registers it, resumes what waits in the journal, forgets what is old."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from veilmesh_chaincode.records.refusals import Refusal
from veilmesh_chaincode.records.registry import RegisterNode

from veilmesh_node.environment import Environment
from veilmesh_node.errors import LedgerUnavailableError, NodeError
from veilmesh_node.metrics import Metrics
from veilmesh_node.registration import ensure_registered

INTERVAL_S = 3.0

_log = logging.getLogger(__name__)


class Keeper:
    def __init__(self, environment: Environment, publication: RegisterNode, metrics: Metrics) -> None:
        self._env = environment
        self._publication = publication
        self._metrics = metrics
        self._registered = False
        self._complaint = ""

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Keep house while the context is open, from now on and every `INTERVAL_S`."""
        task = asyncio.create_task(self._keep(), name="keeper")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _keep(self) -> None:
        while True:
            await self._register()
            waiting = await self._env.operations.resume()
            self._metrics.unfinished.set(waiting)
            self._env.journal.prune()
            await asyncio.sleep(INTERVAL_S)

    async def _register(self) -> None:
        """See that the ledger knows this node as it is; complain once where that cannot be done as yet."""
        if self._registered:
            return
        try:
            node = await ensure_registered(self._env.ledger, self._publication)
        except (NodeError, Refusal) as err:
            self._metrics.ledger_reachable.set(0 if isinstance(err, LedgerUnavailableError) else 1)
            if str(err) != self._complaint:
                _log.warning("not registered yet: %s", err)
            self._complaint = str(err)
            return
        self._registered = True
        self._metrics.ledger_reachable.set(1)
        _log.info("node %s is registered and %s", node.node_id, node.status)
