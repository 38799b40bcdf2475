"""A channel's configuration, and an update of it, as JSON documents."""

from dataclasses import asdict
from typing import Any

from veilmesh_fabric import ConfigInForce, ConfigUpdateRequest
from veilmesh_fabric.channel_config import Address, ChannelConfig, Organization
from veilmesh_fabric.config_changes import config_changes
from veilmesh_fabric.config_submission import considered
from veilmesh_fabric.config_update import requested_root
from veilmesh_fabric.ordering import consenters
from veilmesh_network.channel_edits import members


def document(current: ConfigInForce) -> dict[str, Any]:
    """Return the configuration in force."""
    config = current.config
    endorsing = set(members(config.root))
    organizations = config.application.organizations
    return {
        "channel": config.channel_id,
        "sequence": config.sequence,
        "block": current.block_number,
        "changed_at": f"{current.changed_at:%Y-%m-%d %H:%M:%S UTC}",
        "members": [_organization(each) for each in organizations if each.msp_id in endorsing],
        "auditors": [_organization(each) for each in organizations if each.msp_id not in endorsing],
        "orderers": [
            {"msp_id": each.msp_id, "endpoints": list(each.orderer_endpoints)}
            for each in config.orderer.organizations
        ],
        "consensus": config.orderer.consensus_type,
        "consenters": [_address(each) for each in consenters(config)],
        "max_message_count": config.orderer.max_message_count,
        "batch_timeout": config.orderer.batch_timeout,
        "policies": _policies(config),
        "access": dict(sorted(config.application.access_policies.items())),
        "capabilities": {
            "channel": sorted(config.capabilities),
            "orderer": sorted(config.orderer.capabilities),
            "application": sorted(config.application.capabilities),
        },
    }


def update_document(request: ConfigUpdateRequest, current: ConfigInForce) -> dict[str, Any]:
    """Return what a request changes, what that takes, and who has signed.

    Raises:
        ConfigOvertakenError: it does not follow from the configuration in force.
        DecodeError: it is malformed.
    """
    consents, signers = considered(request, current)
    after = requested_root(current.config, request.unsigned_envelope())
    return {
        "channel": request.channel_id,
        "based_on_sequence": current.config.sequence,
        "changes": [
            {"kind": change.kind, **asdict(change)} for change in config_changes(current.config.root, after)
        ],
        "consents": [
            {"path": each.path, "policy": str(each.policy), "given": each.given} for each in consents
        ],
        "signers": [str(signer) for signer in signers],
        "complete": all(each.given for each in consents),
    }


def _organization(organization: Organization) -> dict[str, Any]:
    anchors = [_address(each) for each in organization.anchor_peers]
    return {"msp_id": organization.msp_id, "anchor_peers": anchors}


def _address(address: Address) -> str:
    return f"{address.host}:{address.port}"


def _policies(config: ChannelConfig) -> dict[str, str]:
    """Return the policies of the channel and its two parts, by path."""
    groups = {"/Channel": config.root}
    groups |= {f"/Channel/{name}": config.root.groups[name] for name in sorted(config.root.groups)}
    paths = [f"{path}/{name}" for path, group in groups.items() for name in sorted(group.policies)]
    return {path: str(config.policies.policy(path)) for path in paths}
