"""The contracts: thin functions that fetch records, let a rule decide, and store what it returns."""

from collections.abc import Mapping

from veilmesh_chaincode.contracts import audit, authentication, enrolment, policy, registry, release
from veilmesh_chaincode.contracts.call import Function

FUNCTIONS: Mapping[str, Function] = {
    **registry.FUNCTIONS,
    **policy.FUNCTIONS,
    **enrolment.FUNCTIONS,
    **authentication.FUNCTIONS,
    **release.FUNCTIONS,
    **audit.FUNCTIONS,
}
