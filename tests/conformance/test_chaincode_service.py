"""The chaincode service behind real peers: what it offers beyond what contracts use, and no reply lost.

The service runs in this process, one for each member's peer.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256

import pytest
import pytest_asyncio
from fabric_protos.peer.chaincode_shim_pb2 import ChaincodeMessage, PutState
from veilmesh_chaincode.chaincode import Response
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.shim.server import serve
from veilmesh_chaincode.shim.settings import Address, Settings, Tls
from veilmesh_chaincode.shim.stub import TransactionStub
from veilmesh_chaincode.stub import Stub
from veilmesh_fabric import CommitError, Contract, Deadlines, EvaluateError, Gateway, RetryPolicy, connect
from veilmesh_network.fabric.definition import Definition
from veilmesh_network.fabric.deployment import approve_for, commit_for_all, install, until_usable
from veilmesh_network.fabric.membership import Member, members_of
from veilmesh_network.fabric.package import ChaincodePackage, member_package
from veilmesh_network.fabric.steps import for_all
from veilmesh_network.loopback import HOST
from veilmesh_network.network import CHAINCODE_SERVICE, Network

from tests.fabric_network import FabricNetwork

pytestmark = [pytest.mark.fabric, pytest.mark.asyncio(loop_scope="module")]

DEFINITION = Definition("stream", "1.0", 1)
# A reply that is lost shows as the peer's own time-out, after 30 s.
PATIENT = Deadlines(evaluate_s=60)
ONCE = RetryPolicy(attempts=1, conflict_attempts=1)
COLLECTION = "_implicit_org_Org1MSP"  # every organisation has one of its own, defined by nobody
_PORT = 8  # of the ten that each member has, one that is in use nowhere else


class Everything:
    """Its functions are the methods below."""

    async def invoke(self, stub: Stub, args: Sequence[bytes]) -> Response:
        assert isinstance(stub, TransactionStub)
        name, *rest = (arg.decode() for arg in args)
        if name not in {"fill", "values", "secret", "hide", "hidden", "count", "empty", "page_and_write"}:
            raise Refusal(RefusalCode.UNKNOWN_FUNCTION, name)
        return Response(200, "", await getattr(self, name)(stub, *rest))

    async def fill(self, stub: TransactionStub, prefix: str, count: str) -> bytes:
        for number in range(int(count)):
            await stub.put_state(f"{prefix}{number:05d}", b"%d" % number)
        await stub.delete_state(f"{prefix}00001")
        stub.set_event("filled", prefix.encode())
        return b""

    async def values(self, stub: TransactionStub, prefix: str, count: str) -> bytes:
        values = await stub.get_states([f"{prefix}{number:05d}" for number in range(int(count))])
        return b",".join(value or b"-" for value in values)

    async def secret(self, stub: TransactionStub) -> bytes:
        return stub.transient["secret"]

    async def hide(self, stub: TransactionStub, key: str) -> bytes:
        """Write a private value, which the stub has no word for: contracts use none."""
        request = PutState(collection=COLLECTION, key=key, value=stub.transient["secret"])
        await stub._peer._ask(ChaincodeMessage.PUT_STATE, request.SerializeToString())
        return b""

    async def hidden(self, stub: TransactionStub, key: str) -> bytes:
        return await stub.get_private_data_hash(COLLECTION, key) or b"none"

    async def count(self, stub: TransactionStub, prefix: str, into: str) -> bytes:
        """Count the keys with a prefix and write how many there are."""
        async with stub.iterate_range(prefix, prefix + "~") as entries:
            found = len([key async for key, _ in entries])
        await stub.put_state(into, b"%d" % found)
        return b"%d" % found

    async def empty(self, stub: TransactionStub, prefix: str) -> bytes:
        """Return the first key with a prefix, and leave the rest unread."""
        async with stub.iterate_range(prefix, prefix + "~") as entries:
            async for key, _ in entries:
                return key.encode()
        return b"yes"

    async def page_and_write(self, stub: TransactionStub, prefix: str) -> bytes:
        await stub.get_range(prefix, prefix + "~", limit=2)
        await stub.put_state(prefix, b"1")
        return b""


@asynccontextmanager
async def _served(member: Member, package: ChaincodePackage, port: int) -> AsyncIterator[None]:
    files = member.organisation.service(CHAINCODE_SERVICE)
    tls = Tls(files.certificate.read_bytes(), files.root.read_bytes(), files.key.read_bytes())
    settings = Settings(package.id, Address(HOST, port), lambda: tls, metrics=None)
    stop, started = asyncio.Event(), asyncio.Event()
    serving = asyncio.create_task(serve(settings, Everything(), stop=stop, started=lambda _: started.set()))
    await started.wait()
    yield
    stop.set()
    await serving


async def _deploy(network: Network, stack: AsyncExitStack) -> None:
    members = await stack.enter_async_context(members_of(network))
    packages = []
    for member in members:
        port = member.ports.peer + _PORT
        package = member_package(member.organisation, f"{HOST}:{port}", DEFINITION.label)
        await stack.enter_async_context(_served(member, package, port))
        packages.append(package)
    pairs = list(zip(members, packages, strict=True))
    await for_all(install(member, package) for member, package in pairs)
    await for_all(approve_for(member, network.channel, DEFINITION, package) for member, package in pairs)
    await commit_for_all(members, network.channel, DEFINITION)
    await for_all(until_usable(member, network.channel, DEFINITION.name, "probe") for member in members)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def contracts(fabric_network: FabricNetwork) -> AsyncIterator[list[Contract]]:
    """The chaincode as each member's operator sees it through the member's own peer."""
    async with AsyncExitStack() as stack:
        network = fabric_network.network
        await _deploy(network, stack)
        found = []
        for msp_id in fabric_network.members:
            channel = await stack.enter_async_context(
                connect(network.gateways(msp_id)[0], fabric_network.tls_roots)
            )
            gateway = Gateway(channel, fabric_network.identity(msp_id), deadlines=PATIENT, retry=ONCE)
            found.append(gateway.contract(network.channel, DEFINITION.name))
        yield found


async def test_more_writes_and_reads_than_a_message_holds(contracts: list[Contract]) -> None:
    await contracts[0].submit("fill", "many-", "2500")
    values = await contracts[0].evaluate("values", "many-", "2501")
    expected = [b"%d" % number for number in range(2500)] + [b"-"]
    expected[1] = b"-"
    assert values.split(b",") == expected


async def test_transient_data_reaches_the_contract(contracts: list[Contract]) -> None:
    assert await contracts[0].evaluate("secret", transient={"secret": b"key"}) == b"key"


async def test_the_hash_of_a_private_value_is_everybodys(contracts: list[Contract]) -> None:
    await contracts[0].submit("hide", "a", transient={"secret": b"key"}, endorsing_organizations=["Org1MSP"])
    assert await contracts[1].evaluate("hidden", "b", endorsing_organizations=["Org2MSP"]) == b"none"
    for _ in range(50):  # Org2's peer may be a block behind
        hidden = await contracts[1].evaluate("hidden", "a", endorsing_organizations=["Org2MSP"])
        if hidden != b"none":
            break
        await asyncio.sleep(0.1)
    assert hidden == sha256(b"key").digest()


async def test_a_long_range_in_a_transaction_that_writes(contracts: list[Contract]) -> None:
    await contracts[0].submit("fill", "long-", "250")
    counted = await contracts[0].submit("count", "long-", "counted")
    assert counted.result == b"249"  # one was deleted


async def test_a_range_left_early(contracts: list[Contract]) -> None:
    await contracts[0].submit("fill", "left-", "250")
    assert await contracts[0].evaluate("empty", "left-") == b"left-00000"
    assert await contracts[0].evaluate("empty", "nothing-") == b"yes"


async def test_a_key_that_comes_into_a_range_meanwhile(contracts: list[Contract]) -> None:
    counting = await contracts[0].endorse("count", "phantom-", "counted")
    await contracts[0].submit("fill", "phantom-", "3")
    with pytest.raises(CommitError, match="PHANTOM_READ_CONFLICT"):
        await counting.commit()


async def test_a_page_and_a_write_do_not_go_together(contracts: list[Contract]) -> None:
    with pytest.raises(EvaluateError) as refused:
        await contracts[0].evaluate("page_and_write", "page-")
    refusal = Refusal.from_message(str(refused.value))
    assert refusal is not None
    assert refusal.code is RefusalCode.INTERNAL


async def test_ten_thousand_evaluates_at_concurrency_400_and_no_reply_lost(contracts: list[Contract]) -> None:
    await contracts[0].submit("fill", "load-", "1000")
    numbers = iter(range(10_000))
    answered: dict[int, bytes] = {}

    async def client(contract: Contract) -> None:
        for number in numbers:
            answered[number] = await contract.evaluate("secret", transient={"secret": b"%d" % number})

    await asyncio.gather(*(client(contracts[place % len(contracts)]) for place in range(400)))
    assert answered == {number: b"%d" % number for number in range(10_000)}
