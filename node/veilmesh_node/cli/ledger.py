"""The ledger as one person reaches it: ask, or change, with records in and out."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from veilmesh_chaincode.records.base import Document
from veilmesh_chaincode.records.enrolment import ListReferences, Reference
from veilmesh_chaincode.records.pages import Page, PageRequest
from veilmesh_chaincode.records.registry import Consortium
from veilmesh_fabric import Contract, Deadlines, Gateway, GatewayError, Gateways, SigningIdentity, TlsClient

from veilmesh_node.cli.client_home import ClientHome
from veilmesh_node.gateways import parsed
from veilmesh_node.ledger import refusal_in

# With a submission's 5 s it makes half a minute, in which SmartBFT has found another leader (22 s measured):
# who sits and waits is told then that the change is in doubt.
COMMIT_WITHIN_S = 25.0

Answer = TypeVar("Answer", bound=Document)
Entry = TypeVar("Entry", bound=Document)


def evaluate(folder: Path, function: str, request: Document | None, answer: type[Answer]) -> Answer:
    """Ask a contract as the identity in `folder`.

    Raises:
        Refusal: the contract said no.
        EvaluateError: the ledger is out of reach, or refused for another reason.
    """
    return answer.from_bytes(_run(folder, lambda contract: contract.evaluate(function, *_arguments(request))))


def submit(folder: Path, function: str, request: Document, answer: type[Answer]) -> Answer:
    """Change the ledger as the identity in `folder`; return what the contract answered.

    Raises:
        Refusal: the contract said no.
        EndorseError, SubmitError, CommitStatusError, CommitError: as `Contract.submit`.
    """

    async def change(contract: Contract) -> bytes:
        return (await contract.submit(function, *_arguments(request))).result

    return answer.from_bytes(_run(folder, change))


def evaluate_pages(folder: Path, function: str, entry: type[Entry]) -> list[Entry]:
    """Return every entry of a list, page by page."""

    async def all_pages(contract: Contract) -> list[Entry]:
        return await _every_page(contract, function, PageRequest(), entry)

    return _run(folder, all_pages)


async def all_references(contract: Contract) -> list[Reference]:
    """Return the references of all members.

    Raises:
        Refusal: the contract said no.
        EvaluateError: the ledger is out of reach, or refused for another reason.
    """
    found: list[Reference] = []
    try:
        consortium = Consortium.from_bytes(await contract.evaluate("registry:GetConsortium"))
        for msp_id in consortium.members:
            request = ListReferences(owner_msp_id=msp_id)
            found += await _every_page(contract, "enrolment:List", request, Reference)
    except GatewayError as err:
        raise refusal_in(err) or err from err
    return found


async def _every_page(
    contract: Contract, function: str, request: PageRequest | ListReferences, entry: type[Entry]
) -> list[Entry]:
    entries: list[Entry] = []
    while True:
        page = Page[entry].from_bytes(await contract.evaluate(function, request.to_bytes()))  # type: ignore[valid-type]  # a type known at run time
        entries += page.entries
        if not page.bookmark:
            return entries
        request = request.replace(bookmark=page.bookmark)


@asynccontextmanager
async def gateway(home: ClientHome) -> AsyncIterator[Gateway]:
    """Open the gateways that `home` names, as the identity that it holds."""
    identity = SigningIdentity.in_msp_folder(home.msp, home.msp_id)
    tls = TlsClient.in_files(home.gateway_tls_roots, home.gateway_tls_certificate, home.gateway_tls_key)
    async with Gateways.dial(parsed(home.gateways), tls) as gateways:
        yield Gateway(gateways, identity, deadlines=Deadlines(commit_status_s=COMMIT_WITHIN_S))


Result = TypeVar("Result")


def _run(folder: Path, work: Callable[[Contract], Awaitable[Result]]) -> Result:
    home = ClientHome.load(folder)

    async def run() -> Result:
        async with gateway(home) as opened:
            try:
                return await work(opened.contract(home.channel, home.chaincode))
            except GatewayError as err:
                raise refusal_in(err) or err from err

    return asyncio.run(run())


def _arguments(request: Document | None) -> list[bytes]:
    return [] if request is None else [request.to_bytes()]
