"""A consortium that commands have set up: ledger, two active nodes, a policy, one person enrolled."""

from dataclasses import dataclass
from pathlib import Path

from veilmesh_node.demo.consortium import Consortium, msp_id, node_id
from veilmesh_node.demo.pictures import Person, portrait
from veilmesh_node.demo.shell import must
from veilmesh_node.demo.story import TERMS


@dataclass(frozen=True, slots=True)
class Settled:
    """The consortium, the person, and her reference."""

    consortium: Consortium
    person: Person
    reference_id: str

    @property
    def org1(self) -> Path:
        return self.consortium.home("org1")

    @property
    def org2(self) -> Path:
        return self.consortium.home("org2")


def settle(consortium: Consortium) -> Settled:
    org1, org2 = consortium.home("org1"), consortium.home("org2")
    consortium.start_ledger()
    for name in ("org1", "org2"):
        consortium.init_node(name, node_id(name), consortium.home(name))
        consortium.start_node(consortium.home(name))
    members = [word for name in ("org1", "org2", "org3") for word in ("--member", msp_id(name))]
    must("registry", "found", "--home", org1, *members, "--auditor", "AuditMSP")
    for name in ("org1", "org2"):
        consortium.await_node(consortium.home(name))
    digest = must("node", "status", "--home", org1)["model_digest"]
    for home in (org1, org2):
        for name in ("org1", "org2"):
            must("registry", "approve", node_id(name), "--home", home)
        must("registry", "models", "--approve", digest, "--home", home)
    terms = consortium.folder / "terms.toml"
    terms.write_text(TERMS)
    proposal_id = must("policy", "propose", terms, "--home", org1)["proposal_id"]
    must("policy", "vote", proposal_id, "--home", org2)
    person = portrait(consortium.folder / "pictures")
    reference = must("enrol", person.pictures[0], "--home", org1)
    return Settled(consortium, person, reference["reference_id"])
