"""What `veilmesh identify` prints, and the code it leaves with, for answers of a node."""

import json
from pathlib import Path
from typing import Any

import pytest
from veilmesh.v1 import node_pb2
from veilmesh_node.cli import node_api
from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.cli.main import main

FACE = node_pb2.IdentifiedFace(
    box=node_pb2.FaceBox(left=1, top=2, right=30, bottom=40),
    landmarks=[node_pb2.Point(x=number, y=-number) for number in range(68)],
    clarity=0.75,
)
NAMED = node_pb2.IdentifiedFace()
NAMED.CopyFrom(FACE)
NAMED.reference.CopyFrom(
    node_pb2.IdentifiedReference(reference_id="ab" * 16, name="Ada [bold]L.[/bold]", similarity=0.93)
)


def leave_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, response: node_pb2.IdentifyResponse, *options: str
) -> int:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"a photo")

    def call(folder: Path, method: str, request: node_pb2.IdentifyRequest, *, doing: str) -> Any:
        assert (folder, method, request.photo, doing) == (tmp_path, "Identify", b"a photo", "searching")
        return response

    monkeypatch.setattr(node_api, "call", call)
    with pytest.raises(SystemExit) as leaving:
        main(["identify", str(photo), "--home", str(tmp_path), *options])
    return int(leaving.value.code or 0)


def test_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    response = node_pb2.IdentifyResponse(
        faces=[NAMED, FACE], search_tx_id="c" * 64, picture_salt=b"salt", searched=7, left_out=2
    )
    assert leave_with(monkeypatch, tmp_path, response, "--json") == ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    first, second = document["faces"]
    assert (first["name"], first["reference_id"], first["similarity"]) == (
        "Ada [bold]L.[/bold]",
        "ab" * 16,
        0.93,
    )
    assert (second["name"], second["reference_id"], second["similarity"]) == (None, None, None)
    assert first["box"] == [1, 2, 30, 40]
    assert first["landmarks"][3] == [3, -3]
    assert document["picture_salt"] == b"salt".hex()
    assert leave_with(monkeypatch, tmp_path, response) == ExitCode.OK
    shown = capsys.readouterr()
    assert "Ada [bold]L.[/bold]" in shown.out
    assert "2 references were left out" in shown.err


def test_nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for response in (node_pb2.IdentifyResponse(), node_pb2.IdentifyResponse(faces=[FACE])):
        assert leave_with(monkeypatch, tmp_path, response) == ExitCode.NO_MATCH
    assert "0 faces" in capsys.readouterr().out


@pytest.mark.parametrize(("options", "method"), [([], "Update"), (["--replace"], "Replace")])
def test_update_asks_for_what_it_was_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: list[str], method: str
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"a photo")
    called: list[tuple[str, str]] = []

    def call(_: Path, name: str, request: node_pb2.UpdateRequest, *, doing: str) -> Any:
        assert doing
        called.append((name, request.name))
        return node_pb2.UpdateResponse()

    monkeypatch.setattr(node_api, "call", call)
    with pytest.raises(SystemExit) as leaving:
        main(["update", "ab" * 16, str(photo), "--home", str(tmp_path), "--name", "Ada", *options])
    assert not leaving.value.code
    assert called == [(method, "Ada")]
