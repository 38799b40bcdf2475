"""What a node answers without changing anything."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from veilmesh_chaincode.records.enrolment import HistoryEntry, Reference
from veilmesh_chaincode.records.pages import Page

from veilmesh_node.environment import Environment
from veilmesh_node.errors import InvalidRequestError

DEFAULT_LIMIT, MAX_LIMIT = 100, 1000


@dataclass(frozen=True, slots=True)
class StoredSurrogate:
    cid: str
    image: bytes = field(repr=False)
    receipt: bytes = field(repr=False)  # empty where this node did not issue it


class Inquiry:
    def __init__(self, environment: Environment) -> None:
        self._env = environment

    async def references(self, owner_msp_id: str, *, limit: int, bookmark: str) -> Page[Reference]:
        """Return one page of an organisation's references; of our own where no owner is given."""
        if not 0 <= limit <= MAX_LIMIT:
            raise InvalidRequestError(f"limit {limit} is not within 0 and {MAX_LIMIT}")
        owner_msp_id = owner_msp_id or self._env.msp_id
        return await self._env.ledger.references(
            owner_msp_id, limit=limit or DEFAULT_LIMIT, bookmark=bookmark
        )

    async def history(self, reference_id: str) -> Sequence[HistoryEntry]:
        """Return the states of a reference in the ledger's order, oldest first."""
        return list(reversed(await self._env.ledger.history(reference_id)))

    async def surrogate(self, reference_id: str) -> StoredSurrogate:
        """Return a reference's surrogate image, checked against its content id.

        Raises:
            Refusal: NOT_FOUND.
            ContentNotFoundError: the image is not in this node's store.
        """
        reference = await self._env.ledger.reference(reference_id)
        return StoredSurrogate(
            cid=reference.surrogate_cid,
            image=await self._env.content.get(reference.surrogate_cid),
            receipt=self._env.vault.receipt(reference_id, reference.version),
        )
