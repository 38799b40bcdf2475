"""A chaincode on a running network: installed, approved by each member, committed, answering.

Each function looks first whether it is done already.
"""

from collections.abc import Sequence

import grpc
from veilmesh_fabric.errors import EndorseError

from veilmesh_network.errors import BringUpError
from veilmesh_network.fabric.definition import Definition, approve, commit
from veilmesh_network.fabric.membership import Member
from veilmesh_network.fabric.package import ChaincodePackage
from veilmesh_network.fabric.peer_admin import ApprovalForgottenError
from veilmesh_network.fabric.readiness import (
    STEP_S,
    NotYetError,
    chaincode_answers,
    endorsers_known,
    until,
)


async def install(member: Member, package: ChaincodePackage) -> None:
    """Have a member's peer install a package.

    Raises:
        PeerRefusedError, PeerUnreachableError: it did not.
        BringUpError: it has another idea of the package's id.
    """
    if package.id in await member.peer.installed():
        return
    found = await member.peer.install(package.content)
    if found != package.id:
        raise BringUpError(f"{member.peer_name} calls the package {found}, not {package.id}")


async def approve_for(
    member: Member, channel_name: str, definition: Definition, package: ChaincodePackage
) -> None:
    """Have a member approve a definition; one that approved it under another package's id does so anew.

    Where the peer does not know any more under which one, `until_usable` shows whether it was the right one.

    Raises:
        PeerRefusedError, PeerUnreachableError, GatewayError, CommitError: it did not.
    """
    try:
        approved = await member.peer.approved_package(channel_name, definition.name, definition.sequence)
    except ApprovalForgottenError:
        return
    if approved != package.id:
        await approve(member.lifecycle(channel_name), definition, package.id, member.msp_id)


async def commit_for_all(members: Sequence[Member], channel_name: str, definition: Definition) -> None:
    """Commit a definition that all `members` have approved, unless the channel has it or a later one.

    Raises:
        BringUpError: their peers do not hear of each other.
        PeerRefusedError, PeerUnreachableError, GatewayError, CommitError: it was not committed.
    """
    first = members[0]

    async def committed() -> None:
        found = await first.peer.definition(channel_name, definition.name)
        if found is not None and found.sequence >= definition.sequence:
            return
        try:
            msp_ids = [member.msp_id for member in members]
            await commit(first.lifecycle(channel_name), definition, msp_ids)
        except EndorseError as err:
            if err.code is grpc.StatusCode.ABORTED:
                raise
            # The gateway has not heard of all peers yet.
            raise NotYetError(str(err)) from err

    await until(committed, within_s=STEP_S)


async def until_usable(member: Member, channel_name: str, chaincode: str, function: str) -> None:
    """Return when a member's chaincode answers, and its gateway knows enough endorsers.

    Args:
        member: whose.
        channel_name: where the chaincode is defined.
        chaincode: its name.
        function: any of its functions; a refusal is an answer, too.

    Raises:
        BringUpError: it does not come to that.
    """
    await until(lambda: chaincode_answers(member.peer, channel_name, chaincode, function), within_s=STEP_S)
    await until(
        lambda: endorsers_known(member.connection, member.admin, channel_name, chaincode), within_s=STEP_S
    )
