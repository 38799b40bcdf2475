"""Photos fused into one template; a stranger's photo named; a template that follows its person on a leash."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from veilmesh_chaincode.records.enrolment import Renewal
from veilmesh_node.domain.fusion import fuse, strangers
from veilmesh_node.domain.renewal import LEASH, Lineage, begin, renew
from veilmesh_node.domain.secret import Features
from veilmesh_node.errors import (
    InvalidRequestError,
    SampleRejectedError,
    UnlikeReferenceError,
    VaultIntegrityError,
)
from veilmesh_node.journal import Kind

from tests.unit.node.plugs import MemoryConsortium, MemoryFaces, MemoryNode, enrol_request, photo

THRESHOLD_MICRO = 600_000
THRESHOLD = 0.6

small = st.lists(st.floats(-1, 1), min_size=16, max_size=16)


def features(*values: float) -> Features:
    return Features((*values, *[0.0] * (16 - len(values))))


@pytest.fixture
def org1(consortium: MemoryConsortium) -> MemoryNode:
    return consortium.nodes["Org1MSP"]


class TestFusion:
    def test_one_photo_stays_as_it_is(self) -> None:
        assert fuse([features(0.1, 0.2)]) == features(0.1, 0.2)

    @given(st.lists(small, min_size=1, max_size=5))
    def test_it_has_the_direction_of_the_mean_and_the_photos_length(self, drawn: list[list[float]]) -> None:
        samples = [Features(tuple(values)) for values in drawn]
        fused = fuse(samples)
        mean = [sum(column) / len(samples) for column in zip(*drawn, strict=True)]
        length = sum(math.hypot(*values) for values in drawn) / len(samples)
        if math.hypot(*mean) < 1e-6:
            return  # no direction
        assert math.hypot(*fused.values) == pytest.approx(length)
        cosine = sum(a * b for a, b in zip(fused.values, mean, strict=True))
        assert cosine == pytest.approx(length * math.hypot(*mean), abs=1e-9)

    def test_opposites_cancel_out(self) -> None:
        assert fuse([features(1.0), features(-1.0)]) == features(0.0)


class TestStrangers:
    def test_one_among_four(self) -> None:
        samples = [features(0.0), features(0.1), features(5.0), features(0.2)]
        assert strangers(samples, THRESHOLD_MICRO) == [2]

    def test_nobody(self) -> None:
        assert strangers([features(0.0), features(0.1), features(0.5)], THRESHOLD_MICRO) == []
        assert strangers([features(0.0)], THRESHOLD_MICRO) == []

    def test_of_two_the_second(self) -> None:
        assert strangers([features(0.0), features(5.0)], THRESHOLD_MICRO) == [1]

    def test_a_chain_is_no_person(self) -> None:
        """Each photo matches its neighbours, the ends do not match each other."""
        samples = [features(0.0), features(0.4), features(0.8)]
        assert strangers(samples, THRESHOLD_MICRO) == [2]

    def test_everybody_is_somebody_else(self) -> None:
        assert strangers([features(0.0), features(2.0), features(4.0)], THRESHOLD_MICRO) == [1, 2]

    @given(st.lists(small, min_size=1, max_size=6), st.integers(1, 4_000_000))
    @settings(max_examples=50)
    def test_those_that_are_left_match_each_other(self, drawn: list[list[float]], micro: int) -> None:
        samples = [Features(tuple(values)) for values in drawn]
        left = [each for place, each in enumerate(samples) if place not in strangers(samples, micro)]
        assert left
        assert all(one.dissimilarity(other) * 1e6 <= micro for one in left for other in left)


class TestRenewal:
    def test_it_follows_the_new_photos(self) -> None:
        lineage = renew(begin(features(1.0)), features(1.0, 0.3), THRESHOLD_MICRO)
        assert lineage is not None
        assert lineage.origin == features(1.0)
        assert lineage.template.dissimilarity(features(1.0, 0.15)) < 0.02

    def test_a_stranger_is_not_followed(self) -> None:
        assert renew(begin(features(1.0)), features(1.0, 0.61), THRESHOLD_MICRO) is None
        assert renew(begin(features(1.0)), features(1.0, 0.6), THRESHOLD_MICRO) is not None

    @given(st.lists(small, min_size=1, max_size=30))
    @settings(max_examples=50)
    def test_no_chain_of_updates_leaves_the_leash(self, steps: list[list[float]]) -> None:
        """Whoever chooses the photos, as near to the threshold as they like."""
        start = features(1.0)
        lineage = begin(start)
        for step in steps:
            length = math.hypot(*step) or 1.0
            fresh = Features(
                tuple(
                    value + 0.59 * change / length
                    for value, change in zip(lineage.template.values, step, strict=True)
                )
            )
            lineage = renew(lineage, fresh, THRESHOLD_MICRO) or lineage
            assert lineage.origin == start
            assert lineage.template.dissimilarity(start) <= LEASH * THRESHOLD + 1e-9

    def test_the_leash_is_what_holds(self) -> None:
        """Towards one side a chain comes to its end, and stays there."""
        lineage = begin(features(0.0))
        for _ in range(20):
            fresh = features(lineage.template.values[0] + 0.59)
            following = renew(lineage, fresh, THRESHOLD_MICRO)
            assert following is not None
            lineage = following
        assert lineage.template.values[0] == pytest.approx(LEASH * THRESHOLD)


class TestNode:
    """The same through the vault and the ledger."""

    async def lineage(self, node: MemoryNode, reference_id: str) -> Lineage:
        recalled = node.vault.recall(reference_id)
        assert recalled is not None
        return recalled.lineage

    async def test_the_stranger_among_the_photos_is_named(self, org1: MemoryNode) -> None:
        photos = [photo("ada"), photo("ada", 2), photo("bob"), photo("ada", 3)]
        with pytest.raises(SampleRejectedError) as caught:
            await org1.node.enrolment.enrol(enrol_request(*photos))
        assert caught.value.reasons == ("photo 3 does not show the person of the other photos",)
        assert list(org1.vault.stored()) == []

    async def test_photos_are_fused(self, org1: MemoryNode) -> None:
        photos = [photo("ada"), photo("ada", 2)]
        reference = (await org1.node.enrolment.enrol(enrol_request(*photos))).reference
        samples = [(await MemoryFaces().find_sample(each)).features for each in photos]
        lineage = await self.lineage(org1, reference.reference_id)
        assert lineage.template.dissimilarity(fuse(samples)) < 1e-12
        assert lineage.origin.dissimilarity(fuse(samples)) < 1e-12

    async def test_a_stranger_does_not_renew_a_reference(self, org1: MemoryNode) -> None:
        reference = (await org1.node.enrolment.enrol(enrol_request(photo("ada")))).reference
        with pytest.raises(UnlikeReferenceError, match=reference.reference_id):
            await org1.node.enrolment.update(reference.reference_id, enrol_request(photo("eve"), key="k"))
        assert (await org1.ledger.reference(reference.reference_id)).version == 1
        assert org1.journal.find(Kind.UPDATE, "k") is None
        assert [each.version for each in org1.vault.stored()] == [1]

    async def test_a_renewal_is_on_the_ledger_and_remembers_its_origin(self, org1: MemoryNode) -> None:
        reference = (
            await org1.node.enrolment.enrol(replace(enrol_request(photo("ada")), label="Ada L."))
        ).reference
        origin = (await self.lineage(org1, reference.reference_id)).origin
        for number in (2, 3):
            updated = await org1.node.enrolment.update(
                reference.reference_id, enrol_request(photo("ada", number))
            )
            assert updated.reference.renewal is Renewal.COMPARED
        lineage = await self.lineage(org1, reference.reference_id)
        assert lineage.origin.dissimilarity(origin) < 1e-12
        assert 0 < lineage.template.dissimilarity(origin) < 0.1
        assert org1.vault.label(reference.reference_id) == "Ada L."

    async def test_a_replacement_begins_anew_and_is_on_the_ledger(self, org1: MemoryNode) -> None:
        reference = (
            await org1.node.enrolment.enrol(replace(enrol_request(photo("ada")), label="Ada"))
        ).reference
        request = replace(enrol_request(photo("eve"), key="k"), label="Eve")
        updated = await org1.node.enrolment.update(reference.reference_id, request, replacing=True)
        assert updated.reference.renewal is Renewal.REPLACED
        lineage = await self.lineage(org1, reference.reference_id)
        assert lineage.origin == lineage.template
        assert org1.vault.label(reference.reference_id) == "Eve"
        history = await org1.node.inquiry.history(reference.reference_id)
        assert [entry.reference.renewal for entry in history] == [None, Renewal.REPLACED]

    async def test_another_model_is_not_compared_but_can_be_replaced(
        self, org1: MemoryNode, consortium: MemoryConsortium, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reference = (await org1.node.enrolment.enrol(enrol_request(photo("ada")))).reference
        other = "e" * 64
        await consortium.world.approve_model(other)
        monkeypatch.setattr(MemoryFaces, "model_digest", other)
        org1.restart()
        with pytest.raises(UnlikeReferenceError, match="another model"):
            await org1.node.enrolment.update(reference.reference_id, enrol_request(photo("ada", 2)))
        updated = await org1.node.enrolment.update(
            reference.reference_id, enrol_request(photo("ada", 2)), replacing=True
        )
        assert updated.reference.model_digest == other

    async def test_a_damaged_template_can_be_replaced(self, org1: MemoryNode) -> None:
        reference = (await org1.node.enrolment.enrol(enrol_request(photo("ada")))).reference
        org1.vault._database.execute("UPDATE templates SET sealed = zeroblob(length(sealed))")
        request = enrol_request(photo("ada", 2))
        with pytest.raises(VaultIntegrityError):
            await org1.node.enrolment.update(reference.reference_id, request)
        await org1.node.enrolment.update(reference.reference_id, request, replacing=True)
        assert await org1.node.agreement.check() == []

    @pytest.mark.parametrize("label", ["x" * 129, "two\nlines", "\x1b[31m"])
    async def test_names_that_are_no_names(self, org1: MemoryNode, label: str) -> None:
        with pytest.raises(InvalidRequestError, match="a name takes"):
            await org1.node.enrolment.enrol(replace(enrol_request(photo("ada")), label=label))
