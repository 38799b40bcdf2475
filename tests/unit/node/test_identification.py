"""1:N: whose the faces in a picture are; what is on record of a search; what the gallery in memory holds."""

import asyncio
import logging
import math
from dataclasses import replace
from pathlib import Path

import pytest
from veilmesh_chaincode.records.audit import SearchLogEntry
from veilmesh_chaincode.records.pages import Page, PageRequest
from veilmesh_chaincode.records.refusals import RefusalCode
from veilmesh_node.domain.commitment import commit_input
from veilmesh_node.domain.secret import Features, Secret
from veilmesh_node.domain.similarity import cosine
from veilmesh_node.errors import (
    FacesMissingError,
    GalleryNotReadyError,
    LedgerConflictError,
    LedgerUnavailableError,
    SampleRejectedError,
)
from veilmesh_node.identification import MAX_FACES, Identified
from veilmesh_node.node import Node
from veilmesh_node.vault import gallery as gallery_module
from veilmesh_node.vault.gallery import Gallery

from tests.unit.chaincode.consortium import AUDITOR, TERMS, identity
from tests.unit.chaincode.refusing import refuses
from tests.unit.node.plugs import MODEL, MemoryConsortium, MemoryFaces, MemoryNode, enrol_request, photo

pytestmark = pytest.mark.faces  # numpy and FAISS


@pytest.fixture
def org1(consortium: MemoryConsortium) -> MemoryNode:
    return consortium.nodes["Org1MSP"]


async def enrol(node: MemoryNode, person: str) -> str:
    request = replace(enrol_request(photo(person)), label=person.title())
    return (await node.node.enrolment.enrol(request)).reference.reference_id


async def identify(node: MemoryNode, *people: str) -> Identified:
    return await node.node.identification.identify(b"+".join(photo(person, 2) for person in people))


def names(identified: Identified) -> list[str | None]:
    return [None if face.match is None else face.match.label for face in identified.faces]


async def searches(consortium: MemoryConsortium) -> list[SearchLogEntry]:
    page = await consortium.world.call(
        identity(AUDITOR, "auditor"), "audit:ListSearches", PageRequest(), Page[SearchLogEntry]
    )
    return page.entries


class TestFaces:
    async def test_each_face_gets_its_name(self, org1: MemoryNode) -> None:
        references = {person: await enrol(org1, person) for person in ("ada", "bob", "cyd")}
        identified = await identify(org1, "bob", "eve", "ada")
        assert names(identified) == ["Bob", None, "Ada"]
        match = identified.faces[0].match
        assert match is not None
        assert match.reference_id == references["bob"]
        assert 0.9 < match.similarity < 1
        assert match.similarity == round(match.similarity, 2)
        assert identified.searched == 3
        assert identified.left_out == 0
        assert len(identified.faces[0].found.landmarks) == 68

    async def test_no_face_no_search(self, consortium: MemoryConsortium, org1: MemoryNode) -> None:
        await enrol(org1, "ada")
        identified = await org1.node.identification.identify(b"nobody")
        assert (identified.faces, identified.search_tx_id) == ([], "")
        assert await searches(consortium) == []

    async def test_nobody_enrolled(self, org1: MemoryNode) -> None:
        assert names(await identify(org1, "ada")) == [None]

    async def test_many_faces(self, org1: MemoryNode) -> None:
        await enrol(org1, "ada")
        crowd = [f"stranger-{number}" for number in range(MAX_FACES - 1)]
        identified = await identify(org1, *crowd, "ada")
        assert [name for name in names(identified) if name] == ["Ada"]
        with pytest.raises(SampleRejectedError):
            await identify(org1, *crowd, "ada", "ada")

    async def test_a_node_without_faces(self, org1: MemoryNode) -> None:
        environment = replace(org1.node.environment, faces=None)
        bare = Node(
            environment, sealing_key=org1.sealing_key, salt_key=Secret(b"s" * 32), channel=org1.channel
        )
        with pytest.raises(FacesMissingError):
            await bare.identification.identify(photo("ada"))

    def test_similarity_is_the_cosine(self) -> None:
        assert cosine((1, 0, 2), (2, 0, 4)) == pytest.approx(1)
        assert cosine((1, 0), (0, 3)) == 0
        assert cosine((1, 1), (-1, -1)) == pytest.approx(-1)
        assert cosine((1, 2), (2, 1)) == pytest.approx(0.8)
        assert cosine((0, 0), (2, 1)) == 0


class TestRecord:
    async def test_every_search_is_on_record(self, consortium: MemoryConsortium, org1: MemoryNode) -> None:
        await enrol(org1, "ada")
        identified = await identify(org1, "ada", "eve")
        (entry,) = await searches(consortium)
        assert entry.tx_id == identified.search_tx_id
        assert entry.node_id == org1.node_id
        assert (entry.face_count, entry.match_count, entry.gallery_count) == (2, 1, 1)
        from hashlib import sha256

        digest = sha256(photo("ada", 2) + b"+" + photo("eve", 2)).hexdigest()
        assert entry.picture_commitment == commit_input(identified.picture_salt, digest)

    async def test_no_record_no_answer(self, consortium: MemoryConsortium, org1: MemoryNode) -> None:
        await enrol(org1, "ada")
        org1.ledger.endorsing_fails = LedgerUnavailableError("away")
        with pytest.raises(LedgerUnavailableError):
            await identify(org1, "ada")
        org1.ledger.endorsing_fails = None
        org1.ledger.lose_answers = True
        with pytest.raises(LedgerUnavailableError):
            await identify(org1, "ada")
        assert len(await searches(consortium)) == 1  # rather one too many

    async def test_collisions_are_tried_again(self, consortium: MemoryConsortium, org1: MemoryNode) -> None:
        await enrol(org1, "ada")
        org1.ledger.collisions = 3
        assert names(await identify(org1, "ada")) == ["Ada"]
        assert len(await searches(consortium)) == 1
        org1.ledger.collisions = 100
        with pytest.raises(LedgerConflictError):
            await identify(org1, "ada")

    async def test_the_policy_has_to_allow_it(self, tmp_path: Path) -> None:
        consortium = await MemoryConsortium.found(tmp_path, TERMS.replace(purposes=["travel"]))
        try:
            with refuses(RefusalCode.PURPOSE_NOT_ALLOWED):
                await consortium.nodes["Org1MSP"].node.identification.identify(b"not even looked at")
        finally:
            consortium.close()


class TestGallery:
    async def test_it_follows_the_vault(self, org1: MemoryNode) -> None:
        ada = await enrol(org1, "ada")
        bob = await enrol(org1, "bob")
        assert names(await identify(org1, "ada", "bob")) == ["Ada", "Bob"]
        await org1.node.enrolment.update(
            ada, replace(enrol_request(photo("eve")), label="Eve"), replacing=True
        )
        assert names(await identify(org1, "ada", "eve")) == [None, "Eve"]
        await org1.node.erasure.erase(bob, idempotency_key="")
        identified = await identify(org1, "bob")
        assert (names(identified), identified.searched) == ([None], 1)

    async def test_it_is_opened_anew_after_a_start(
        self, org1: MemoryNode, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(gallery_module, "PAGE", 2)
        people = ["ada", "bob", "cyd", "dan", "eve"]
        for person in people:
            await enrol(org1, person)
        org1.restart()
        with caplog.at_level(logging.INFO):
            assert names(await identify(org1, *people)) == [person.title() for person in people]
        assert "5 templates are opened for searches" in caplog.text

    async def test_revoked_and_expired_references_are_nobodys(
        self, consortium: MemoryConsortium, org1: MemoryNode
    ) -> None:
        ada = await enrol(org1, "ada")
        await org1.node.enrolment.enrol(replace(enrol_request(photo("bob"), retention_s=100), label="Bob"))
        await org1.node.revocation.revoke(ada, "compromised", idempotency_key="")
        assert names(await identify(org1, "ada", "bob")) == [None, "Bob"]
        consortium.world.now_s += 100
        assert names(await identify(org1, "ada", "bob")) == [None, None]

    async def test_the_next_usable_reference_counts(self, org1: MemoryNode) -> None:
        first = await enrol(org1, "ada")
        second = await org1.node.enrolment.enrol(replace(enrol_request(photo("ada", 3)), label="Ada again"))
        await org1.node.revocation.revoke(first, "superseded", idempotency_key="")
        match = (await identify(org1, "ada")).faces[0].match
        assert match is not None
        assert match.reference_id == second.reference.reference_id

    async def test_a_template_of_another_model_is_left_out(self, org1: MemoryNode) -> None:
        await enrol(org1, "ada")
        assert (await identify(org1, "ada")).left_out == 0
        org1.vault._database.execute("UPDATE templates SET model_digest = ?", ("e" * 64,))
        org1.restart()
        identified = await identify(org1, "ada")
        assert (names(identified), identified.searched, identified.left_out) == ([None], 0, 1)

    async def test_a_damaged_template_is_left_out_and_named(
        self, org1: MemoryNode, caplog: pytest.LogCaptureFixture
    ) -> None:
        ada, _ = await enrol(org1, "ada"), await enrol(org1, "bob")
        org1.vault._database.execute(
            "UPDATE templates SET sealed = zeroblob(length(sealed)) WHERE reference_id = ?", (ada,)
        )
        org1.restart()
        identified = await identify(org1, "ada", "bob")
        assert (names(identified), identified.left_out) == ([None, "Bob"], 1)
        await identify(org1, "bob")
        assert caplog.text.count(f"the template of reference {ada} does not open") == 1

    async def test_a_transaction_that_came_to_nothing_changes_nothing(self, org1: MemoryNode) -> None:
        ada = await enrol(org1, "ada")
        await identify(org1, "ada")

        def fail_midway() -> None:
            with org1.vault._database.transaction():
                org1.vault.destroy(ada)
                raise RuntimeError

        with pytest.raises(RuntimeError):
            fail_midway()
        assert names(await identify(org1, "ada")) == ["Ada"]

    async def test_an_interrupted_look_is_made_again(
        self, org1: MemoryNode, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await identify(org1, "ada")
        await enrol(org1, "ada")

        def fail(_: object) -> None:
            raise InterruptedError

        with monkeypatch.context() as patched:
            patched.setattr(org1.vault, "open_page", fail)
            with pytest.raises(InterruptedError):
                await identify(org1, "ada")
        assert names(await identify(org1, "ada")) == ["Ada"]

    async def test_a_gallery_that_takes_long_is_not_waited_for(
        self, org1: MemoryNode, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await enrol(org1, "ada")
        org1.restart()
        monkeypatch.setattr("veilmesh_node.identification.READY_WITHIN_S", 0.0)
        with pytest.raises(GalleryNotReadyError):
            await identify(org1, "ada")
        monkeypatch.undo()
        assert names(await identify(org1, "ada")) == ["Ada"]

    async def test_what_is_erased_leaves_the_memory(self, org1: MemoryNode) -> None:
        import numpy as np

        gallery = Gallery(org1.vault, MODEL)
        ada, bob = await enrol(org1, "ada"), await enrol(org1, "bob")
        async with gallery.kept():
            await asyncio.sleep(0)  # now it refreshes
            await gallery.refresh()
            assert len(gallery) == 2
        for erased in (ada, bob):
            await org1.node.erasure.erase(erased, idempotency_key="")
            await gallery.refresh()
        assert gallery._rows._features is not None
        assert not np.any(gallery._rows._features)

    async def test_rows_survive_growth_and_removal(self) -> None:
        """Against a plain search, through more rows than fit at first."""
        import numpy as np
        from numpy.typing import NDArray
        from veilmesh_node.vault.gallery import FIRST_ROWS, Rows

        drawn = np.random.default_rng(5)
        rows = Rows()
        left: dict[str, NDArray[np.float64]] = {}
        for start in range(0, 2 * FIRST_ROWS, 512):
            features = drawn.standard_normal((512, 32))
            references = [(f"{start + place}", 1) for place in range(512)]
            rows.add(references, features)
            left |= {name: row for (name, _), row in zip(references, features, strict=True)}
            for name in drawn.choice(sorted(left), 100, replace=False):
                rows.remove(str(name))
                del left[str(name)]
        rows.remove("never there")
        assert len(rows) == len(left)
        probe = Features(tuple(drawn.standard_normal(32).tolist()))
        (nearest,) = rows.nearest([probe], 7)
        plain = sorted((math.dist(probe.values, row), name) for name, row in left.items())[:7]
        assert [each.reference_id for each in nearest] == [name for _, name in plain]
        for candidate, (distance, _) in zip(nearest, plain, strict=True):
            assert candidate.dissimilarity == pytest.approx(distance, abs=1e-5)

    async def test_near_the_threshold_the_vault_decides(
        self, org1: MemoryNode, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A probe whose distance is the threshold, to the last bit that the vault knows."""
        await enrol(org1, "ada")
        (template,) = org1.vault.stored()
        probe = await MemoryFaces().encode_probe(photo("ada", 2))
        distance = org1.vault.compare(template.reference_id, version=1, model_digest=MODEL, probe=probe)
        near = await org1.node.identification._near([probe])
        asked: list[str] = []
        compare = org1.vault.compare

        def counted(reference_id: str, *, version: int, model_digest: str, probe: Features) -> float:
            asked.append(reference_id)
            return compare(reference_id, version=version, model_digest=model_digest, probe=probe)

        monkeypatch.setattr(org1.vault, "compare", counted)
        within = org1.node.identification._within
        assert within(math.ceil(distance * 1e6), near[0][0], probe)
        assert not within(math.floor(distance * 1e6), near[0][0], probe)
        assert len(asked) == 2
        assert within(500_000, near[0][0], probe)
        assert len(asked) == 2
