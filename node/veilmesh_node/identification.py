"""Identify: whose are the faces in this picture, among the references that this node holds (1:N)?

1. The policy must allow the purpose `identification`; where it does not, the picture is not even opened. 2.
Every face is found, its clarity judged, its features extracted. 3. The gallery proposes the nearest
references within the policy's threshold. Where its rounding could matter, the
   vault decides as it does for a verification.
4. A proposed reference counts only if the ledger has it as active, not expired, and of this very version. 5.
That a search was made goes on the ledger: by which node, for what, among how many, over a commitment to the
   picture. Whom it found does not.
6. Only then it is answered, to the organisation's own application.

Nothing changes in the node, so nothing is journalled: a node killed before 6 has answered nothing, and at
worst left a record of a search that nobody heard the result of.

Source of steps 2 and 3: "Face recognition using facial embedding" (algorithm 2) of the StyleGAN, Ray cluster
and IPFS paper; its similarity, the cosine of both feature vectors, is told, but the policy's threshold
decides on the Euclidean distance, as in every other decision here (docs/faces.md).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from veilmesh_chaincode.records.audit import LogSearch
from veilmesh_chaincode.records.authentication import Outcome
from veilmesh_chaincode.records.enrolment import ReferenceStatus
from veilmesh_chaincode.records.policy import Policy
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode

from veilmesh_node.domain.commitment import commit_input, new_salt
from veilmesh_node.domain.decision import MICRO, decide
from veilmesh_node.domain.secret import Features, Secret
from veilmesh_node.domain.similarity import cosine
from veilmesh_node.environment import Environment
from veilmesh_node.errors import GalleryNotReadyError, LedgerConflictError, UnknownReferenceError
from veilmesh_node.ports import LOG_SEARCH, FoundFace
from veilmesh_node.vault.gallery import Candidate, Gallery

PURPOSE = "identification"
MAX_FACES = 512
CANDIDATES = 5  # a face's; the nearest may be revoked, or expired
GALLERY_ROUNDING = 1e-4  # of a dissimilarity; ten times what float32 costs
READY_WITHIN_S = 20.0
LOG_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Match:
    reference_id: str
    label: str
    similarity: float  # cosine, rounded to hundredths: enough for people, too little to climb by


@dataclass(frozen=True, slots=True)
class IdentifiedFace:
    found: FoundFace
    match: Match | None


@dataclass(frozen=True, slots=True)
class Identified:
    faces: Sequence[IdentifiedFace]
    search_tx_id: str  # empty where there was no face to search for
    picture_salt: Secret
    searched: int  # references
    left_out: int  # of another model, or damaged
    policy_version: int


class Identification:
    """What is behind Identify."""

    def __init__(self, environment: Environment) -> None:
        self._env = environment
        faces = environment.faces
        self._gallery = None if faces is None else Gallery(environment.vault, faces.model_digest)

    @property
    def gallery(self) -> Gallery | None:
        """None where no faces are installed."""
        return self._gallery

    async def identify(self, photo: bytes) -> Identified:
        """Search for every face of a picture.

        Raises:
            Refusal: PURPOSE_NOT_ALLOWED, MODEL_NOT_APPROVED, NODE_NOT_ACTIVE, ROLE_MISSING.
            SampleRejectedError: no picture, or more than `MAX_FACES` faces.
            GalleryNotReadyError: the node has just started.
            LedgerUnavailableError: the search could not be put on record, so it is not answered.
        """
        faces, policy = self._env.require_faces(), await self._env.ledger.policy()
        _check_purpose(policy)
        found = await faces.find_faces(photo, limit=MAX_FACES)
        near = await self._near([face.features for face in found])
        matches = await self._matches(found, near, policy.terms.threshold_micro)
        searched, salt = len(self._require_gallery()), new_salt()
        tx_id = ""
        if found:
            search = LogSearch(
                purpose=PURPOSE,
                model_digest=faces.model_digest,
                picture_commitment=commit_input(salt, sha256(photo).hexdigest()),
                face_count=len(found),
                gallery_count=searched,
                match_count=sum(match is not None for match in matches),
            )
            tx_id = await self._log(search)
        return Identified(
            faces=[IdentifiedFace(face, match) for face, match in zip(found, matches, strict=True)],
            search_tx_id=tx_id,
            picture_salt=salt,
            searched=searched,
            left_out=self._env.vault.active_count() - searched,
            policy_version=policy.version,
        )

    async def _near(self, probes: Sequence[Features]) -> list[list[Candidate]]:
        gallery = self._require_gallery()
        try:
            return await asyncio.wait_for(gallery.search(probes, CANDIDATES), READY_WITHIN_S)
        except TimeoutError as err:
            raise GalleryNotReadyError(len(gallery)) from err

    async def _matches(
        self, found: Sequence[FoundFace], near: Sequence[Sequence[Candidate]], threshold_micro: int
    ) -> list[Match | None]:
        usable: dict[tuple[str, int], bool] = {}
        matches: list[Match | None] = []
        for face, candidates in zip(found, near, strict=True):
            match = None
            for candidate in candidates:
                if match is None and self._within(threshold_micro, candidate, face.features):
                    key = (candidate.reference_id, candidate.version)
                    if key not in usable:
                        usable[key] = await self._is_usable(*key)
                    match = self._match(candidate, face.features) if usable[key] else None
            matches.append(match)
        return matches

    def _within(self, threshold_micro: int, candidate: Candidate, probe: Features) -> bool:
        """Whether a reference matches a probe, exactly as in a verification."""
        distance = candidate.dissimilarity
        if abs(distance - threshold_micro / MICRO) < GALLERY_ROUNDING:
            try:
                distance = self._env.vault.compare(
                    candidate.reference_id,
                    version=candidate.version,
                    model_digest=self._env.require_faces().model_digest,
                    probe=probe,
                )
            except UnknownReferenceError:  # erased while we searched
                return False
        return decide(distance, threshold_micro) is Outcome.MATCH

    async def _is_usable(self, reference_id: str, version: int) -> bool:
        """Whether the ledger has a reference as one to be compared with."""
        try:
            reference = await self._env.ledger.reference(reference_id)
        except Refusal as refusal:
            if refusal.code is not RefusalCode.NOT_FOUND:
                raise
            return False
        return (
            reference.status is ReferenceStatus.ACTIVE
            and reference.version == version
            and self._env.clock.now_s() < reference.expires_at_s
        )

    def _match(self, candidate: Candidate, probe: Features) -> Match:
        return Match(
            reference_id=candidate.reference_id,
            label=self._env.vault.label(candidate.reference_id),
            similarity=round(cosine(probe.values, candidate.features.tolist()), 2),
        )

    async def _log(self, search: LogSearch) -> str:
        """Put a search on record; return the transaction."""
        for attempt in range(1, LOG_ATTEMPTS + 1):
            transaction = await self._env.ledger.endorse(LOG_SEARCH, search)
            try:
                await self._env.ledger.commit(transaction, in_doubt=False)
            except LedgerConflictError:
                if attempt == LOG_ATTEMPTS:
                    raise
            else:
                break
        return transaction.tx_id

    def _require_gallery(self) -> Gallery:
        self._env.require_faces()
        if self._gallery is None:
            raise AssertionError("a node with faces has a gallery")
        return self._gallery


def _check_purpose(policy: Policy) -> None:
    if PURPOSE not in policy.terms.purposes:
        raise Refusal(
            RefusalCode.PURPOSE_NOT_ALLOWED, f"purpose {PURPOSE} is not in policy version {policy.version}"
        )
