import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from veilmesh_chaincode.records import canonical
from veilmesh_chaincode.records.canonical import Json, NotCanonicalError
from veilmesh_chaincode.records.enrolment import RegisterReference
from veilmesh_chaincode.records.pages import PageRequest
from veilmesh_chaincode.records.policy import Terms
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode

from tests.unit.chaincode.consortium import TERMS, registration
from tests.unit.chaincode.refusing import refuses

integers = st.integers(-canonical.MAX_INTEGER, canonical.MAX_INTEGER)
values: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | integers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


class TestCanonicalJson:
    @settings(deadline=None)
    @given(values)
    def test_round_trip(self, value: Json) -> None:
        assert canonical.loads(canonical.dumps(value)) == value

    @settings(deadline=None)
    @given(st.dictionaries(st.text(), values, min_size=2, max_size=5), st.randoms())
    def test_order_of_keys_does_not_matter(self, value: dict[str, Json], random: object) -> None:
        items = list(value.items())
        random.shuffle(items)  # type: ignore[attr-defined] # hypothesis types its Random as object
        assert canonical.dumps(dict(items)) == canonical.dumps(value)

    @settings(deadline=None)
    @given(values)
    def test_every_other_spelling_is_refused(self, value: Json) -> None:
        data = canonical.dumps(value)
        for other in (
            json.dumps(value, sort_keys=True).encode(),
            json.dumps(value, sort_keys=True, indent=1).encode(),
            b" " + data,
            data + b"\n",
        ):
            if other != data:
                with pytest.raises(NotCanonicalError):
                    canonical.loads(other)

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"{",
            b"\xff",
            b'{"a":1,"a":1}',
            b'{"b":1,"a":1}',
            b"1.0",
            b"1e3",
            b"NaN",
            b"-Infinity",
            b"-0",
            b"01",
            b"9007199254740992",
            b"1" * 5000,
            b"[" * 100_000,
            b"[" * 100_000 + b"]" * 100_000,
            b'"\\ud800"',
            b'"\\u0041"',
            b"\xef\xbb\xbf1",
        ],
    )
    def test_refused(self, data: bytes) -> None:
        with pytest.raises(NotCanonicalError) as caught:
            canonical.loads(data)
        assert len(str(caught.value)) < 200

    @pytest.mark.parametrize("value", [1.5, float("nan"), {1: 2}, {"a": {2}}, 2**53, b"bytes"])
    def test_without_canonical_form(self, value: object) -> None:
        with pytest.raises(NotCanonicalError):
            canonical.dumps(value)  # type: ignore[arg-type] # what the type forbids is refused at run time too


class TestDocuments:
    def test_round_trip(self) -> None:
        for document in (registration(), TERMS, PageRequest(limit=7, bookmark="x")):
            assert type(document).from_bytes(document.to_bytes()) == document

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("reference_id", "ABCDEF0123456789ABCDEF0123456789"),
            ("reference_id", "0" * 31),
            ("reference_id", "0" * 32 + "\n"),
            ("reference_id", "0" * 32 + "\u0000"),
            ("reference_id", None),
            ("template_commitment", "g" * 64),
            ("surrogate_cid", "/etc/passwd"),
            ("anonymizer", ""),
            ("anonymizer", "Mask"),
            ("anonymizer", "x" * 64),
            ("expires_at_s", "1"),
            ("expires_at_s", True),
            ("expires_at_s", 2**53),
            ("surprise", 1),
            ("x" * 10_000, 1),
        ],
    )
    def test_a_wrong_field_is_refused_without_repeating_it(self, field: str, value: object) -> None:
        fields = registration().model_dump(mode="json") | {field: value}
        data = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        with refuses(RefusalCode.MALFORMED) as refusal:
            RegisterReference.from_bytes(data)
        assert len(refusal.value.message) < 500
        if isinstance(value, str) and len(value) > 5:
            assert value not in refusal.value.message

    def test_a_missing_field(self) -> None:
        fields = registration().model_dump(mode="json")
        del fields["consent_sha256"]
        with refuses(RefusalCode.MALFORMED) as refusal:
            RegisterReference.from_bytes(canonical.dumps(fields))
        assert "consent_sha256" in refusal.value.message

    def test_too_large(self) -> None:
        with refuses(RefusalCode.MALFORMED):
            PageRequest.from_bytes(canonical.dumps({"bookmark": "x" * 70_000}))

    def test_replace_checks_like_a_constructor(self) -> None:
        assert TERMS.replace(attempt_limit=5).attempt_limit == 5
        for change in ({"attempt_limit": 0}, {"purposes": ["a", "a"]}, {"unknown": 1}):
            with pytest.raises(ValueError, match="validation error"):
                TERMS.replace(**change)

    def test_frozen(self) -> None:
        terms: Terms = TERMS
        with pytest.raises(ValueError, match="frozen"):
            terms.attempt_limit = 9  # type: ignore[misc] # what the type forbids is refused at run time too

    @pytest.mark.parametrize("bookmark", ["\u0000", "a\u0000b", "\U0010ffff", "x" * 161, "a b"])
    def test_a_bookmark_holds_no_separator(self, bookmark: str) -> None:
        with refuses(RefusalCode.MALFORMED):
            PageRequest.from_bytes(canonical.dumps({"bookmark": bookmark}))


class TestRefusals:
    @settings(deadline=None)
    @given(st.sampled_from(RefusalCode), st.text(), st.none() | integers)
    def test_survives_the_way_to_the_client(
        self, code: RefusalCode, message: str, retry_at_s: int | None
    ) -> None:
        sent = Refusal(code, message, retry_at_s=retry_at_s).to_message()
        for wrapped in (sent, f"chaincode response 409, {sent}", f"{sent} and {sent} {{}}"):
            received = Refusal.from_message(wrapped)
            assert received is not None
            assert (received.code, received.message, received.retry_at_s) == (code, message, retry_at_s)

    @pytest.mark.parametrize(
        "message",
        [
            "",
            "context deadline exceeded",
            '{"code":',
            '{"code":"NO_SUCH_RULE","message":"","retry_at_s":null}',
            '{"code":"MALFORMED"}',
            '{"code":' + "[" * 100_000,
        ],
    )
    def test_other_messages_are_no_refusals(self, message: str) -> None:
        assert Refusal.from_message(message) is None

    def test_every_rule_that_says_no_is_the_callers_doing(self) -> None:
        for code in RefusalCode:
            assert 400 <= code.status < 500 or code is RefusalCode.INTERNAL
