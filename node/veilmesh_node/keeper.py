"""Keeps house while a node serves: registers it, resumes what waits in the journal, forgets what is old."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from veilmesh_chaincode.records.refusals import Refusal
from veilmesh_chaincode.records.registry import RegisterNode

from veilmesh_node.environment import Environment
from veilmesh_node.errors import LedgerUnavailableError, NodeError
from veilmesh_node.health import Health
from veilmesh_node.metrics import Metrics
from veilmesh_node.registration import ensure_registered

INTERVAL_S = 3.0

_log = logging.getLogger(__name__)


class Keeper:
    def __init__(
        self,
        environment: Environment,
        publication: Callable[[], RegisterNode],
        metrics: Metrics,
        health: Health,
    ) -> None:
        """Take charge; `publication` is what the node says of itself at each moment."""
        self._env = environment
        self._publication = publication
        self._metrics = metrics
        self._health = health
        self._registered: RegisterNode | None = None
        self._complaints: dict[str, str] = {}  # the last one of each kind

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
        """Go round for ever, and tell as the node's health whether the last round went well."""
        while True:
            await self._health.say(serving=await self._goes_well())
            await asyncio.sleep(INTERVAL_S)

    async def _goes_well(self) -> bool:
        """Go round once; what goes wrong is logged, and left to the next round."""
        try:
            await self._go_round()
        except NodeError as err:
            self._complain("house is not kept", err)
        except Exception:  # noqa: BLE001 - a defect in one round must not end the others
            _log.exception("house is not kept")
        else:
            self._complaints.pop("house is not kept", None)
            return True
        return False

    async def _go_round(self) -> None:
        await self._register()
        self._metrics.unfinished.set(await self._env.operations.resume())
        self._env.journal.prune()

    async def _register(self) -> None:
        """See that the ledger knows this node as it is; complain once where that cannot be done as yet."""
        publication = self._publication()
        if self._registered == publication:
            return
        try:
            node = await ensure_registered(self._env.ledger, publication)
        except (NodeError, Refusal) as err:
            self._metrics.ledger_reachable.set(0 if isinstance(err, LedgerUnavailableError) else 1)
            self._complain("not registered yet", err)
            return
        self._registered = publication
        self._metrics.ledger_reachable.set(1)
        _log.info("node %s is registered and %s", node.node_id, node.status)

    def _complain(self, what: str, err: Exception) -> None:
        """Log what does not work, once and not with every round."""
        if self._complaints.get(what) != str(err):
            _log.warning("%s: %s", what, err)
        self._complaints[what] = str(err)
