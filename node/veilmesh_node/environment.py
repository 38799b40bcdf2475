"""What every operation of one node shares."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from veilmesh_node.domain.commitment import authenticate_request
from veilmesh_node.domain.secret import Secret
from veilmesh_node.errors import FacesMissingError
from veilmesh_node.journal import Journal
from veilmesh_node.operations import Operations
from veilmesh_node.ports import Clock, ContentStore, Faces, Ledger, Signer
from veilmesh_node.vault import TemplateVault


@dataclass(frozen=True, slots=True)
class Environment:
    """A node's name and its plugs. `faces` is None where the face library is not installed."""

    node_id: str
    msp_id: str
    ledger: Ledger
    vault: TemplateVault
    content: ContentStore
    faces: Faces | None
    identify: Callable[[], Signer]  # its certificate may be renewed at any time
    clock: Clock
    operations: Operations
    request_key: Secret = field(repr=False)  # of the journal's fingerprints
    # Held from putting content until the vault knows whose it is, and from asking the vault until it is
    # removed: two references may have the same surrogate.
    content_lock: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    @property
    def signer(self) -> Signer:
        """Who signs at this moment."""
        return self.identify()

    @property
    def journal(self) -> Journal:
        return self.operations.journal

    async def remove_content(self, cid: str, *, besides: tuple[str, int]) -> None:
        """Remove a surrogate, unless another template than `besides` has the same one.

        Args:
            cid: its content id.
            besides: reference id and version of a template that does not count; no template has version 0.
        """
        async with self.content_lock:
            if not self.vault.uses_content(cid, besides=besides):
                await self.content.remove(cid)

    def require_faces(self) -> Faces:
        """Return the face library.

        Raises:
            FacesMissingError: it is not installed.
        """
        if self.faces is None:
            raise FacesMissingError
        return self.faces

    def fingerprint(self, *parts: bytes) -> str:
        """Return what identifies a request in the journal, without telling what was in it."""
        return authenticate_request(self.request_key, *parts)
