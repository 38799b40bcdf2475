"""Contract `audit`: what auditors ask, the record of their asking, and of nodes' searches for a face."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from veilmesh_chaincode.access import is_auditor
from veilmesh_chaincode.contracts.call import Call, Change, Function, query, update
from veilmesh_chaincode.contracts.enrolment import countersigned_reference, history_page
from veilmesh_chaincode.contracts.policy import policy_in_force
from veilmesh_chaincode.keys import (
    ACCESS_LOG,
    ANCHORS,
    AUTHENTICATIONS,
    AUTHENTICATIONS_BY_REFERENCE,
    COUNTERSIGNS,
    MODELS,
    NODES,
    POLICIES,
    SEARCH_LOG,
    UNSEALINGS,
    Table,
)
from veilmesh_chaincode.records.audit import (
    AccessLogEntry,
    GetStatistics,
    GetTrail,
    LogAccess,
    LogSearch,
    SearchLogEntry,
    Statistics,
    Trail,
)
from veilmesh_chaincode.records.authentication import Authentication
from veilmesh_chaincode.records.enrolment import HistoryEntry
from veilmesh_chaincode.records.pages import Page, PageRequest
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import NodeRole
from veilmesh_chaincode.rules import searches

# A trail's bookmark says which of its two lists it stands in.
_IN_HISTORY = "history:"
_IN_AUTHENTICATIONS = "authentications:"


async def trail(call: Call, request: GetTrail) -> Trail:
    reference = await countersigned_reference(call, request.reference_id)
    if not is_auditor(call.creator) and call.creator.msp_id != reference.owner_msp_id:
        raise Refusal(
            RefusalCode.NOT_OWNER,
            f"the trail of reference {request.reference_id} is for auditors and {reference.owner_msp_id}",
        )
    list_name, place = _list_and_place(request.bookmark)
    left = request.limit
    history: list[HistoryEntry] = []
    if list_name == _IN_HISTORY:
        history, following = await history_page(call, request.reference_id, limit=left, bookmark=place)
        left -= len(history)
        if following or not left:
            bookmark = _IN_HISTORY + following if following else _IN_AUTHENTICATIONS
            return Trail(
                reference_id=request.reference_id, history=history, authentications=[], bookmark=bookmark
            )
        place = ""
    authentications, following = await call.state.page_of(
        AUTHENTICATIONS_BY_REFERENCE, request.reference_id, AUTHENTICATIONS, limit=left, bookmark=place
    )
    return Trail(
        reference_id=request.reference_id,
        history=history,
        authentications=authentications,
        bookmark=_IN_AUTHENTICATIONS + following if following else "",
    )


def _list_and_place(bookmark: str) -> tuple[str, str]:
    for list_name in (_IN_HISTORY, _IN_AUTHENTICATIONS):
        if bookmark.startswith(list_name):
            return list_name, bookmark.removeprefix(list_name)
    if bookmark:
        raise Refusal(RefusalCode.MALFORMED, "the bookmark is not of a trail")
    return _IN_HISTORY, ""


def _outcome(authentication: Authentication) -> str:
    return authentication.outcome or authentication.status


# What is counted, in order. A reference counts by its countersign, which no single member can spoil.
_COUNTED: Sequence[tuple[str, Table[Any], Callable[[Any], str]]] = (
    ("node", NODES, lambda node: node.status),
    ("model", MODELS, lambda model: model.status),
    ("policy", POLICIES, lambda _: "adopted"),
    ("reference", COUNTERSIGNS, lambda countersign: countersign.status),
    ("authentication", AUTHENTICATIONS, _outcome),
    ("anchor", ANCHORS, lambda _: "anchored"),
    ("unsealing", UNSEALINGS, lambda unsealing: unsealing.status),
    ("search", SEARCH_LOG, lambda _: "logged"),
)


async def statistics(call: Call, request: GetStatistics) -> Statistics:
    names = [name for name, _, _ in _COUNTED]
    name, _, place = (request.bookmark or f"{names[0]}:").partition(":")
    if name not in names:
        raise Refusal(RefusalCode.MALFORMED, "the bookmark is not of these statistics")
    counts: Counter[str] = Counter()
    left = request.limit
    for counted, table, status_of in _COUNTED[names.index(name) :]:
        more = True
        while more:
            if not left:
                return Statistics(counts=dict(counts), bookmark=f"{counted}:{place}")
            records, place = await call.state.page(table, limit=left, bookmark=place)
            counts.update(f"{counted}.{status_of(record)}" for record in records)
            left -= len(records)
            more = bool(place)
    return Statistics(counts=dict(counts), bookmark="")


async def log_access(call: Call, request: LogAccess) -> Change:
    entry = AccessLogEntry(
        tx_id=call.tx_id,
        msp_id=call.creator.msp_id,
        identity_sha256=call.creator.identity_sha256,
        question=request.question,
        at_s=call.now_s,
    )
    await call.state.find(ACCESS_LOG, *ACCESS_LOG.attributes_of(entry))
    await call.state.put(ACCESS_LOG, entry)
    return Change(entry, {"tx_id": entry.tx_id, "msp_id": entry.msp_id})


async def list_access(call: Call, request: PageRequest) -> Page[AccessLogEntry]:
    entries, bookmark = await call.state.page(ACCESS_LOG, limit=request.limit, bookmark=request.bookmark)
    return Page[AccessLogEntry](entries=entries, bookmark=bookmark)


async def log_search(call: Call, request: LogSearch) -> Change:
    entry = searches.log(
        request,
        call.tx_id,
        node=await call.acting_node(NodeRole.OWNER),
        model=await call.state.find(MODELS, request.model_digest),
        policy=await policy_in_force(call),
        now_s=call.now_s,
    )
    await call.state.find(SEARCH_LOG, *SEARCH_LOG.attributes_of(entry))
    await call.state.put(SEARCH_LOG, entry)
    return Change(entry, {"tx_id": entry.tx_id, "node_id": entry.node_id})


async def list_searches(call: Call, request: PageRequest) -> Page[SearchLogEntry]:
    entries, bookmark = await call.state.page(SEARCH_LOG, limit=request.limit, bookmark=request.bookmark)
    return Page[SearchLogEntry](entries=entries, bookmark=bookmark)


FUNCTIONS: Mapping[str, Function] = {
    "audit:Trail": query(GetTrail, trail),
    "audit:Statistics": query(GetStatistics, statistics),
    "audit:LogAccess": update(LogAccess, log_access),
    "audit:ListAccess": query(PageRequest, list_access),
    "audit:LogSearch": update(LogSearch, log_search),
    "audit:ListSearches": query(PageRequest, list_searches),
}
