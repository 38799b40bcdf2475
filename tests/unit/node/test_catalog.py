"""No error, no refusal and no method is missing from its table."""

import re
from collections.abc import Iterator

import grpc
import pytest
from veilmesh.v1 import exchange_pb2, node_pb2
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_node import access, catalog, errors
from veilmesh_node.api.service import NodeService
from veilmesh_node.exchange.service import ExchangeService


def all_errors(base: type[errors.NodeError] = errors.NodeError) -> Iterator[type[errors.NodeError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from all_errors(kind)


ABSTRACT = {errors.CallerError, errors.ProbeRefusedError}  # only their subclasses are raised


def test_every_error_has_a_row() -> None:
    ours = {kind for kind in all_errors() if kind.__module__ == errors.__name__}
    assert ours - ABSTRACT == set(catalog.CATALOG)


def test_codes_are_unique_and_no_refusals() -> None:
    codes = [entry.code for entry in catalog.CATALOG.values()] + [catalog.INTERNAL.code]
    assert len(codes) == len(set(codes))
    assert not {code for code in codes if code != "INTERNAL"} & set(RefusalCode)


def test_every_refusal_has_a_status() -> None:
    assert set(catalog.REFUSAL_STATUS) == set(RefusalCode)


def test_no_row_means_success() -> None:
    statuses = {entry.status for entry in catalog.CATALOG.values()} | set(catalog.REFUSAL_STATUS.values())
    assert grpc.StatusCode.OK not in statuses


def test_the_picture_of_the_tree_is_the_tree() -> None:
    assert errors.__doc__ is not None
    drawn = re.findall(r"^([│├└─ ]*)(\w+Error)\b", errors.__doc__, flags=re.MULTILINE)
    parents, edges = ["NodeError"], set()
    for indent, name in drawn[1:]:
        depth = len(indent) // 4
        del parents[depth:]
        edges.add((parents[depth - 1], name))
        parents.append(name)
    ours = {kind for kind in all_errors() if kind.__module__ == errors.__name__}
    assert edges == {(kind.__mro__[1].__name__, kind.__name__) for kind in ours}


def test_our_own_callers_get_the_message_and_a_hint() -> None:
    said = catalog.describe(errors.ContentNotFoundError("bcid"))
    assert (said.status, said.code) == (grpc.StatusCode.NOT_FOUND, "CONTENT_NOT_FOUND")
    assert said.message == "content bcid is not in the store"
    assert said.hint
    refused = catalog.describe(Refusal(RefusalCode.LOCKED_OUT, "locked until then", retry_at_s=17))
    assert (refused.code, refused.message, refused.retry_at_s) == ("LOCKED_OUT", "locked until then", 17)


def test_peers_get_the_rows_sentence_and_nothing_else() -> None:
    said = catalog.describe_to_peer(errors.ProbeMismatchError("reference 7f3a of Ada, 12 bits off"))
    assert (said.message, said.hint) == ("the probe is not the one that was committed to", "")
    refused = catalog.describe_to_peer(Refusal(RefusalCode.VERSION_CONFLICT, "version 2 of reference 7f3a"))
    assert refused.message == "the ledger refused"


@pytest.mark.parametrize("describe", [catalog.describe, catalog.describe_to_peer])
def test_a_defect_says_nothing(describe) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001 - either
    said = describe(ValueError("the salt is 0x1234"))
    assert (said.status, said.message) == (grpc.StatusCode.INTERNAL, "internal error")
    assert "1234" not in repr(said)


def methods(descriptor) -> set[str]:  # type: ignore[no-untyped-def]  # noqa: ANN001 - protobuf's
    return {method.name for method in descriptor.methods}


def test_every_method_has_a_row_of_who_may_call_it() -> None:
    assert methods(node_pb2.DESCRIPTOR.services_by_name["Node"]) == set(access.API)
    assert methods(exchange_pb2.DESCRIPTOR.services_by_name["Exchange"]) == set(access.EXCHANGE)


def test_every_method_is_served() -> None:
    assert set(access.API) <= set(vars(NodeService))
    assert set(access.EXCHANGE) <= set(vars(ExchangeService))


def test_roles() -> None:
    access.check_api("Erase", "operator")
    with pytest.raises(errors.PermissionDeniedError, match="application may not call Erase"):
        access.check_api("Erase", "application")
    with pytest.raises(errors.UnauthenticatedError):
        access.check_api("GetStatus", "")
