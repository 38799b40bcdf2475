import json

import pytest
from veilmesh.v1.node_pb2 import (
    FaceBox,
    GetStatusResponse,
    UnfinishedOperation,
    VerifyRequest,
    VerifyResponse,
)
from veilmesh.v1.outcome_pb2 import OUTCOME_MATCH
from veilmesh_node.cli import output


def test_message_has_every_field_and_plain_numbers() -> None:
    unfinished = UnfinishedOperation(kind="enrol", started_at_s=2**40, running=True)
    document = output.message(GetStatusResponse(node_id="n", roles=["owner"], unfinished=[unfinished]))
    assert document["node_id"] == "n"
    assert document["policy_version"] == 0
    assert document["roles"] == ["owner"]
    assert document["unfinished"][0]["started_at_s"] == 2**40
    assert set(document) == {field.name for field in GetStatusResponse.DESCRIPTOR.fields}
    json.dumps(document)


def test_message_shows_bytes_in_base64_and_enums_by_name() -> None:
    document = output.message(VerifyRequest(photo=b"\x00\xff", face=FaceBox(left=3)))
    assert document["photo"] == "AP8="
    assert document["face"] == {"left": 3, "top": 0, "right": 0, "bottom": 0}
    assert output.message(VerifyResponse(outcome=OUTCOME_MATCH))["outcome"] == "OUTCOME_MATCH"


def test_a_table_in_a_pipe_is_not_cut(capsys: pytest.CaptureFixture[str]) -> None:
    output.table("", ["name", "value"], [["a" * 150, "b" * 150], ["[x]", "y"]])
    said = capsys.readouterr().out
    assert "a" * 150 + "  " + "b" * 150 in said
    assert "[x]" in said


def test_moment() -> None:
    assert output.moment(0) == "-"
    assert output.moment(1_800_000_000) == "2027-01-15 08:00:00 UTC"
