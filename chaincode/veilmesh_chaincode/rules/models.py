"""Face models: approved and retired by majority; only an approved one may be cited."""

from veilmesh_chaincode.records.base import MspId, Sha256Hex
from veilmesh_chaincode.records.refusals import Refusal, RefusalCode
from veilmesh_chaincode.records.registry import ApproveModel, Consortium, Model, ModelStatus
from veilmesh_chaincode.rules import votes


def approve(
    request: ApproveModel, voter: MspId, *, existing: Model | None, consortium: Consortium, now_s: int
) -> Model:
    """Cast one member's vote for a model; the first vote proposes it.

    Raises:
        Refusal: STALE_PROPOSAL, it is approved or retired already; MODEL_MISMATCH, it was proposed under
            another name; ALREADY_VOTED.
    """
    model = existing or Model(
        model_digest=request.model_digest,
        name=request.name,
        status=ModelStatus.PENDING,
        approvals=[],
        retirement_votes=[],
        consortium_version=consortium.version,
        updated_at_s=now_s,
    )
    if model.status is not ModelStatus.PENDING:
        raise Refusal(RefusalCode.STALE_PROPOSAL, f"model {model.model_digest} is {model.status} already")
    if model.name != request.name:
        raise Refusal(
            RefusalCode.MODEL_MISMATCH, f"model {model.model_digest} is proposed under the name {model.name}"
        )
    tally = votes.cast(voter, model.approvals, cast_under=model.consortium_version, consortium=consortium)
    return model.replace(
        status=ModelStatus.APPROVED if tally.carried else ModelStatus.PENDING,
        approvals=tally.votes,
        consortium_version=consortium.version,
        updated_at_s=now_s,
    )


def retire(model: Model, voter: MspId, *, consortium: Consortium, now_s: int) -> Model:
    """Cast one member's vote to retire an approved model, for good.

    Raises:
        Refusal: MODEL_NOT_APPROVED, there is nothing to retire; ALREADY_VOTED.
    """
    if model.status is not ModelStatus.APPROVED:
        raise Refusal(RefusalCode.MODEL_NOT_APPROVED, f"model {model.model_digest} is {model.status}")
    tally = votes.cast(
        voter, model.retirement_votes, cast_under=model.consortium_version, consortium=consortium
    )
    return model.replace(
        status=ModelStatus.RETIRED if tally.carried else ModelStatus.APPROVED,
        approvals=votes.standing(model.approvals, model.consortium_version, consortium),
        retirement_votes=tally.votes,
        consortium_version=consortium.version,
        updated_at_s=now_s,
    )


def check_approved(model: Model | None, digest: Sha256Hex) -> None:
    """Refuse a model that may not be cited.

    Raises:
        Refusal: MODEL_NOT_APPROVED.
    """
    status = "unknown" if model is None else model.status
    if status is not ModelStatus.APPROVED:
        raise Refusal(RefusalCode.MODEL_NOT_APPROVED, f"model {digest} is {status}")
