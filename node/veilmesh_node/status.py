"""How a node is: whether the ledger answers and knows it, what is unfinished, whether all agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

from veilmesh_chaincode.records.refusals import Refusal

from veilmesh_node.agreement import Agreement, Disagreement
from veilmesh_node.environment import Environment
from veilmesh_node.errors import LedgerUnavailableError
from veilmesh_node.journal import Operation


@dataclass(frozen=True, slots=True)
class GeneratorStanding:
    """A generator that this node could anonymize with once its weights are approved."""

    anonymizer: str
    digest: str  # SHA-256 of its weights, hex
    status: str  # on the ledger; empty: nobody voted for it yet, or unknown


@dataclass(frozen=True, slots=True)
class NodeReport:
    node_id: str
    msp_id: str
    version: str
    started_at_s: int
    ledger_reachable: bool
    registration: str  # empty: unknown, or not registered
    roles: Sequence[str]
    policy_version: int  # 0: unknown, or none in force
    model_digest: str  # empty where no faces are installed
    generators: Sequence[GeneratorStanding]
    reference_count: int
    unfinished: Sequence[tuple[Operation, bool]]  # and whether it is at work just now
    disagreements: Sequence[Disagreement] | None  # None where the ledger could not be asked


class Status:
    def __init__(self, environment: Environment, agreement: Agreement) -> None:
        self._env = environment
        self._agreement = agreement
        self._started_at_s = environment.clock.now_s()

    async def report(self) -> NodeReport:
        """Ask everyone; a ledger that does not answer is part of the report."""
        env = self._env
        registration, policy_version = "", 0
        roles: Sequence[str] = ()
        disagreements: Sequence[Disagreement] | None = None
        generators = {} if env.faces is None else env.faces.generators
        standing = dict.fromkeys(generators, "")
        reachable = True
        try:
            registration, roles = await self._registration()
            policy_version = await self._policy_version()
            standing = {name: await self._standing(digest) for name, digest in generators.items()}
            disagreements = await self._compare()
        except LedgerUnavailableError:
            reachable = False
        return NodeReport(
            node_id=env.node_id,
            msp_id=env.msp_id,
            version=version("veilmesh"),
            started_at_s=self._started_at_s,
            ledger_reachable=reachable,
            registration=registration,
            roles=roles,
            policy_version=policy_version,
            model_digest="" if env.faces is None else env.faces.model_digest,
            generators=[
                GeneratorStanding(name, digest, standing[name]) for name, digest in generators.items()
            ],
            reference_count=sum(template.active for template in env.vault.stored()),
            unfinished=[
                (operation, env.operations.is_running(operation.operation_id))
                for operation in env.journal.unfinished()
            ],
            disagreements=disagreements,
        )

    async def _registration(self) -> tuple[str, list[str]]:
        try:
            node = await self._env.ledger.node(self._env.node_id)
        except Refusal:
            return "", []
        return node.status.value, [role.value for role in node.roles]

    async def _policy_version(self) -> int:
        try:
            return (await self._env.ledger.policy()).version
        except Refusal:
            return 0

    async def _standing(self, digest: str) -> str:
        try:
            return (await self._env.ledger.model(digest)).status.value
        except Refusal:
            return ""

    async def _compare(self) -> Sequence[Disagreement] | None:
        try:
            return await self._agreement.check()
        except Refusal:
            return None
