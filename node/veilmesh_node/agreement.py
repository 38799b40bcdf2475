"""Do vault, content store and ledger agree about this node's references?

Every active template is opened and committed to anew, so one that a disk or somebody has changed is found
here and not at the next comparison. What an unfinished operation is still working on is left out: the journal
tells of that.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from veilmesh_chaincode.records.enrolment import Reference, ReferenceStatus

from veilmesh_node.environment import Environment
from veilmesh_node.errors import ContentError, VaultIntegrityError
from veilmesh_node.journal import Kind
from veilmesh_node.vault import StoredTemplate

PAGE = 500


@dataclass(frozen=True, slots=True)
class Disagreement:
    reference_id: str  # empty where it is about content that belongs to no reference
    what: str


class Agreement:
    def __init__(self, environment: Environment) -> None:
        self._env = environment

    async def check(self) -> list[Disagreement]:
        """Compare; an empty list means that all agree.

        An operation that comes to its end while we look can pass for a disagreement, so what was seen once is
        looked for again.

        Raises:
            LedgerUnavailableError: the ledger cannot be asked.
        """
        seen = await self._look()
        return [each for each in await self._look() if each in seen] if seen else []

    async def _look(self) -> list[Disagreement]:
        recorded = await self._recorded()
        try:
            present = set(await self._env.content.ids())
        except ContentError as err:
            return [*self._differences_in_vault(recorded), Disagreement("", f"surrogates: {err}")]
        return [*self._differences_in_vault(recorded), *self._differences_in_content(present)]

    def _differences_in_vault(self, recorded: Mapping[str, Reference]) -> Iterator[Disagreement]:
        busy = {operation.subject for operation in self._env.journal.unfinished()}
        stored = {template.reference_id: template for template in self._env.vault.stored()}
        for reference_id in sorted(({*recorded, *stored}) - busy):
            for what in self._differences(recorded.get(reference_id), stored.get(reference_id)):
                yield Disagreement(reference_id, what)

    async def _recorded(self) -> Mapping[str, Reference]:
        """Return the ledger's references that this node owns and that are not erased."""
        recorded: dict[str, Reference] = {}
        bookmark = ""
        while True:
            page = await self._env.ledger.references(self._env.msp_id, limit=PAGE, bookmark=bookmark)
            for reference in page.entries:
                ours = reference.owner_node_id == self._env.node_id
                if ours and reference.status is not ReferenceStatus.ERASED:
                    recorded[reference.reference_id] = reference
            bookmark = page.bookmark
            if not bookmark:
                return recorded

    def _differences_in_content(self, present: set[str]) -> Iterator[Disagreement]:
        unfinished = self._env.journal.unfinished()
        busy = {operation.subject for operation in unfinished}
        stored = list(self._env.vault.stored())
        for template in stored:
            if template.surrogate_cid not in present and template.reference_id not in busy:
                yield Disagreement(template.reference_id, "its surrogate is not in the content store")
        used = {template.surrogate_cid for template in stored}
        if any(operation.kind in {Kind.ENROL, Kind.UPDATE, Kind.ERASE} for operation in unfinished):
            return  # one of them may be about to use, or to remove, what is left over
        for cid in sorted(present - used):
            yield Disagreement("", f"content {cid} belongs to no reference")

    def _differences(self, recorded: Reference | None, stored: StoredTemplate | None) -> Iterator[str]:
        if recorded is None:
            yield "the vault holds a template, the ledger no reference"
            return
        if stored is None:
            yield f"the ledger holds a reference ({recorded.status}), the vault no template"
            return
        if not stored.active:
            yield "the vault's template was left pending"
        if stored.version != recorded.version:
            yield f"the vault holds version {stored.version}, the ledger version {recorded.version}"
        elif stored.commitment != recorded.template_commitment:
            yield "the ledger's commitment is not that of the vault's template"
        elif stored.active:
            yield from self._template_differences(stored)
        if stored.surrogate_cid != recorded.surrogate_cid:
            yield "the ledger names another surrogate than the vault"

    def _template_differences(self, stored: StoredTemplate) -> Iterator[str]:
        """Open the template and compare it with its commitment, which is the ledger's."""
        try:
            recommitted = self._env.vault.recommit(stored.reference_id, stored.version)
        except VaultIntegrityError as err:
            yield f"the vault's template does not open: {err}"
            return
        if recommitted != stored.commitment:
            yield "the vault's template is not the one that was committed to"
