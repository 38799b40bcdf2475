"""A node's operations, assembled: what the two services call, whatever is plugged in underneath."""

from veilmesh_node.agreement import Agreement
from veilmesh_node.deciding import Deciding
from veilmesh_node.domain.secret import Secret
from veilmesh_node.enrolment import Enrolment
from veilmesh_node.environment import Environment
from veilmesh_node.erasure import Erasure
from veilmesh_node.identification import Identification
from veilmesh_node.inquiry import Inquiry
from veilmesh_node.journal import Kind
from veilmesh_node.releasing import Releasing
from veilmesh_node.revocation import Revocation
from veilmesh_node.sealing import SealingKey
from veilmesh_node.status import Status
from veilmesh_node.unsealing import Unsealings
from veilmesh_node.verification import ProbeChannel, Verification


class Node:
    def __init__(
        self, environment: Environment, *, sealing_key: SealingKey, salt_key: Secret, channel: ProbeChannel
    ) -> None:
        """Put the operations together; nothing runs yet.

        Args:
            environment: the plugs.
            sealing_key: opens the probes of others, and the picture keys that are kept here.
            salt_key: the salts of released receipts come from it.
            channel: hands probes to others.
        """
        self.environment = environment
        self.enrolment = Enrolment(environment)
        self.revocation = Revocation(environment)
        self.erasure = Erasure(environment)
        self.verification = Verification(environment, channel)
        self.identification = Identification(environment)
        self.deciding = Deciding(environment, sealing_key)
        self.releasing = Releasing(environment, salt_key)
        self.unsealings = Unsealings(environment, sealing_key)
        self.inquiry = Inquiry(environment)
        self.agreement = Agreement(environment)
        self.status = Status(environment, self.agreement)
        environment.operations.register(
            {
                Kind.ENROL: self.enrolment,
                Kind.UPDATE: self.enrolment,
                Kind.REVOKE: self.revocation,
                Kind.ERASE: self.erasure,
                Kind.VERIFY: self.verification,
                Kind.DECIDE: self.deciding,
                Kind.RELEASE: self.releasing,
            }
        )
