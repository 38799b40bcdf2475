"""The story, in eight chapters, every claim checked by what the commands answer.

1. The ledger starts. 2. Nodes register; majorities approve them; an unapproved one is refused. 3. A policy is
voted in. 4. Org1 enrols people. 5. Org2 verifies them from other pictures. 6. Org2 tries surrogates and other
people, until it is locked out. 7. Org1 updates, revokes and erases. 8. The auditor verifies it all.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from veilmesh_node.cli.exit import ExitCode
from veilmesh_node.demo.consortium import ORGANISATIONS, Consortium, msp_id, node_id
from veilmesh_node.demo.pictures import Person
from veilmesh_node.demo.report import Report
from veilmesh_node.demo.shell import Answer, must, run

PURPOSE = "border-control"
ATTEMPT_LIMIT = 3
MATED_PROBES = 3  # at most, a person
DAY_S = 24 * 3600

# Of the policy's anonymizers, those that promise one to be found.
SHOW_A_FACE = frozenset({"ciagan", "cluster"})

# With real photos errors happen; at the policy's threshold of 0.6 no more than these.
FMR_BOUND = 0.01
FNMR_BOUND = 0.05

TERMS = f"""\
threshold_micro = 600000
purposes = ["{PURPOSE}", "ward-access"]
exchange_modes = ["sealed"]
anonymizers = ["ciagan", "cluster", "superpixel", "pixelate", "mask"]
gate_level = "standard"
attempt_limit = {ATTEMPT_LIMIT}
attempt_window_s = {DAY_S}
lock_out_s = {15 * 60}
authentication_expiry_s = 120
reference_retention_s = {365 * DAY_S}
"""

Claim = tuple[int, str, Callable[[], tuple[bool, str]]]


class Story:
    """Tells the chapters to a report, against a running consortium."""

    def __init__(self, consortium: Consortium, people: Sequence[Person], report: Report) -> None:
        self._consortium = consortium
        self._people = people
        self._report = report
        self._references: dict[str, str] = {}
        self._anonymizers: dict[str, str] = {}
        self._org1, self._org2, self._org3 = (consortium.home(name) for name in ORGANISATIONS)

    def tell(self) -> None:
        """Tell all chapters; one that the others stand on ends the story when it breaks."""
        for chapter in (self._ledger, self._nodes, self._policy, self._enrolment):
            if not all(self._report.tell(*claim) for claim in chapter()):
                return
        for chapter in (self._verification, self._refusals, self._end_of_a_reference, self._audit):
            for claim in chapter():
                self._report.tell(*claim)

    # 1

    def _ledger(self) -> Iterator[Claim]:
        def start() -> tuple[bool, str]:
            said = self._consortium.start_ledger()
            return (
                True,
                f"channel {said['channel']}, members {', '.join(said['members'])}, height {said['height']}",
            )

        yield 1, "the ledger starts with three members and an auditor", start

    # 2

    def _nodes(self) -> Iterator[Claim]:
        yield 2, "the members found the consortium", self._found
        for organisation in ORGANISATIONS:
            yield (
                2,
                f"{node_id(organisation)} registers, and waits for approval",
                self._registers(organisation),
            )
        yield 2, "each node is active after two of three approved it", self._approve_nodes

    def _found(self) -> tuple[bool, str]:
        for organisation in ORGANISATIONS:
            self._consortium.init_node(
                organisation, node_id(organisation), self._consortium.home(organisation)
            )
            self._consortium.start_node(self._consortium.home(organisation))
        members = [word for name in ORGANISATIONS for word in ("--member", msp_id(name))]
        said = must("registry", "found", "--home", self._org1, *members, "--auditor", "AuditMSP")
        return len(said["members"]) == 3, f"{', '.join(said['members'])}; auditor {said['auditors'][0]}"

    def _registers(self, organisation: str) -> Callable[[], tuple[bool, str]]:
        def start() -> tuple[bool, str]:
            self._consortium.await_node(self._consortium.home(organisation))
            status = self._status_of(node_id(organisation))
            return status == "pending", status

        return start

    def _approve_nodes(self) -> tuple[bool, str]:
        votes = []
        for organisation in ORGANISATIONS:
            name = node_id(organisation)
            first = must("registry", "approve", name, "--home", self._org1)["status"]
            second = must("registry", "approve", name, "--home", self._org2)["status"]
            votes.append((first, second))
        return set(votes) == {("pending", "active")}, "one vote: pending; two votes: active"

    def _unapproved_node(self) -> tuple[bool, str]:
        spare = self._consortium.home("spare")
        self._consortium.init_node("org3", "org3-spare", spare)
        self._consortium.start_node(spare)
        self._consortium.await_node(spare)
        answer = run("enrol", self._people[0].pictures[0], "--home", spare)
        return self._refused(answer, "NODE_NOT_ACTIVE")

    # 3

    def _policy(self) -> Iterator[Claim]:
        yield 3, "two members agree on the face model and the generators", self._approve_models
        yield 3, "a policy is proposed by one and voted in by another", self._vote_policy

    def _approve_models(self) -> tuple[bool, str]:
        said = must("node", "status", "--home", self._org1)
        digests = {each["anonymizer"]: each["digest"] for each in said["generators"]}
        digests["dlib ResNet-29"] = said["model_digest"]
        statuses = {name: self._approve_model(name, digest) for name, digest in digests.items()}
        return (
            set(statuses.values()) == {"approved"},
            ", ".join(f"{name} {digest[:12]}…" for name, digest in digests.items()),
        )

    def _approve_model(self, name: str, digest: str) -> str:
        vote = "registry", "models", "--approve", digest, "--name", name, "--home"
        must(*vote, self._org1)
        return str(must(*vote, self._org2)[0]["status"])

    def _vote_policy(self) -> tuple[bool, str]:
        terms = self._consortium.folder / "terms.toml"
        terms.write_text(TERMS)
        proposal = must("policy", "propose", terms, "--home", self._org1)
        adopted = must("policy", "vote", proposal["proposal_id"], "--home", self._org2)
        in_force = must("policy", "show", "--home", self._org3)
        held = (proposal["status"], adopted["status"], in_force["version"]) == ("open", "adopted", 1)
        return held, f"version {in_force['version']}, threshold 0.6, {ATTEMPT_LIMIT} attempts"

    # 4

    def _enrolment(self) -> Iterator[Claim]:
        for person in self._people:
            yield 4, f"org1 enrols {person.name} from one picture", self._enrols(person)
        yield 4, "the ledger holds commitments and no face", self._commitments_only
        yield 4, "a fourth node, which nobody approved, may not enrol", self._unapproved_node

    def _enrols(self, person: Person) -> Callable[[], tuple[bool, str]]:
        def enrol() -> tuple[bool, str]:
            surrogate = self._surrogate(person)
            answer = run("enrol", person.pictures[0], "--home", self._org1, "--surrogate", surrogate)
            if answer.exit_code is not ExitCode.OK:
                return False, str(answer)
            self._references[person.name] = answer.document["reference_id"]
            self._anonymizers[person.name] = answer.document["anonymizer"]
            reference, method = self._references[person.name], self._anonymizers[person.name]
            return True, f"reference {reference[:8]}…, surrogate by {method}"

        return enrol

    def _surrogate(self, person: Person) -> Path:
        return self._consortium.folder / f"{person.name}-surrogate.png"

    def _commitments_only(self) -> tuple[bool, str]:
        entry = must("history", next(iter(self._references.values())), "--home", self._org2)[0]
        longest = max(len(value) for value in entry["reference"].values() if isinstance(value, str))
        return longest <= 64, "pseudonym, HMACs, content id; nothing longer than 64 characters"

    # 5

    def _verification(self) -> Iterator[Claim]:
        for person in self._enrolled():
            yield 5, f"org2 verifies {person.name} from other pictures", self._mated(person)

    def _mated(self, person: Person) -> Callable[[], tuple[bool, str]]:
        def verify() -> tuple[bool, str]:
            answers = [
                self._verify(picture, person, self._org2) for picture in person.pictures[1 : 1 + MATED_PROBES]
            ]
            return self._count("mated", answers, ExitCode.OK)

        return verify

    # 6

    def _refusals(self) -> Iterator[Claim]:
        for person in self._enrolled():
            yield 6, f"the surrogate of {person.name} is no match", self._surrogate_fails(person)
        if len(self._people) > 1:
            yield 6, "other people are no match", self._non_mated
            yield 6, f"errors stay below FMR {FMR_BOUND:.0%}, FNMR {FNMR_BOUND:.0%}", self._error_rates
        first = self._people[0]
        yield (
            6,
            f"after {ATTEMPT_LIMIT} failures org2 is locked out of {first.name}, whoever it shows",
            self._lock_out,
        )
        yield 6, f"org3 is not: it verifies {first.name}", self._matches(first, first.pictures[1], self._org3)

    def _surrogate_fails(self, person: Person) -> Callable[[], tuple[bool, str]]:
        """Try the surrogate as org2: a method that shows a face shows another's, the rest none."""

        def verify() -> tuple[bool, str]:
            answer = self._verify(self._surrogate(person), person, self._org2)
            if self._anonymizers[person.name] not in SHOW_A_FACE and answer.refusal == "SAMPLE_REJECTED":
                return True, f"{self._anonymizers[person.name]} left no face to compare"
            return answer.exit_code is ExitCode.NO_MATCH, _outcome(answer)

        return verify

    def _non_mated(self) -> tuple[bool, str]:
        """Try two other people's pictures against each reference: fewer than would lock org3 out."""
        enrolled = self._enrolled()
        tried = min(ATTEMPT_LIMIT - 1, len(self._people) - 1)
        answers = []
        for place, person in enumerate(enrolled):
            others = [self._people[(place + step) % len(self._people)] for step in range(1, tried + 1)]
            answers += [
                self._verify(other.pictures[0], person, self._org3) for other in others if other is not person
            ]
        return self._count("non_mated", answers, ExitCode.NO_MATCH)

    def _error_rates(self) -> tuple[bool, str]:
        mated, non_mated = self._report.figures["mated"], self._report.figures["non_mated"]
        false_non_matches = mated["no_match"]
        false_matches = non_mated["match"]
        held = (
            false_non_matches <= FNMR_BOUND * mated["decided"]
            and false_matches <= FMR_BOUND * non_mated["decided"]
        )
        return held, (
            f"{false_matches} false matches in {non_mated['decided']}, "
            f"{false_non_matches} false non-matches in {mated['decided']}; "
            f"{mated['not_acquired'] + non_mated['not_acquired']} pictures without a usable face"
        )

    def _lock_out(self) -> tuple[bool, str]:
        first = self._people[0]
        shown = next(
            (person for person in self._enrolled() if self._anonymizers[person.name] in SHOW_A_FACE), first
        )
        answers: list[Answer] = []
        while len(answers) <= ATTEMPT_LIMIT and not (answers and answers[-1].refusal):
            answers.append(self._verify(self._surrogate(shown), first, self._org2))
        held, happened = self._refused(answers[-1], "LOCKED_OUT")
        right_person = self._verify(first.pictures[1], first, self._org2)
        return held and right_person.refusal == "LOCKED_OUT", happened

    # 7

    def _end_of_a_reference(self) -> Iterator[Claim]:
        first = self._people[0]
        yield 7, f"org1 updates {first.name} from a new picture", self._updates
        yield 7, "org3 verifies against the new version", self._matches(first, first.pictures[-1], self._org3)
        yield 7, "org1 revokes the reference; verification is refused", self._revokes
        yield 7, "org1 erases it; template, key and surrogate are gone", self._erases

    def _updates(self) -> tuple[bool, str]:
        first = self._people[0]
        said = must("update", self._references[first.name], first.pictures[1], "--home", self._org1)
        return said["version"] == 2, f"version {said['version']}"

    def _revokes(self) -> tuple[bool, str]:
        first = self._people[0]
        must("revoke", self._references[first.name], "--home", self._org1, "--reason", "withdrawn-consent")
        return self._refused(self._verify(first.pictures[1], first, self._org3), "REFERENCE_NOT_ACTIVE")

    def _erases(self) -> tuple[bool, str]:
        first = self._people[0]
        before = must("node", "status", "--home", self._org1)["reference_count"]
        must("erase", self._references[first.name], "--home", self._org1)
        status = must("node", "status", "--home", self._org1)
        refused, happened = self._refused(
            self._verify(first.pictures[1], first, self._org3), "REFERENCE_NOT_ACTIVE"
        )
        agreed = status["agreement_checked"] and not status["disagreements"] and not status["unfinished"]
        held = refused and agreed and status["reference_count"] == before - 1
        return held, f"{happened}; vault and ledger agree"

    # 8

    def _audit(self) -> Iterator[Claim]:
        yield 8, "the auditor verifies every block of the live ledger", self._audit_live
        yield 8, "the auditor prints the reference's trail", self._trail
        yield 8, "the auditor may not write", self._auditor_cannot_write
        yield 8, "an exported copy verifies offline", self._audit_offline
        yield 8, "one flipped byte in the copy is found", self._flipped_byte

    def _audit_live(self) -> tuple[bool, str]:
        answer = run("audit", "verify", "--home", self._consortium.auditor)
        if answer.exit_code is not ExitCode.OK:
            return False, str(answer)
        said = answer.document
        return (
            True,
            f"{said['blocks']} blocks, {said['transactions']} transactions, {said['signatures']} signatures",
        )

    def _trail(self) -> tuple[bool, str]:
        reference_id = self._references[self._people[0].name]
        said = must("audit", "trail", reference_id, "--home", self._consortium.auditor)
        statuses = [entry["reference"]["status"] for entry in said["history"]]
        held = set(statuses) == {"active", "revoked", "erased"}
        return held, f"{len(said['history'])} versions, {len(said['authentications'])} authentications"

    def _auditor_cannot_write(self) -> tuple[bool, str]:
        answer = run("registry", "suspend", node_id("org1"), "--home", self._consortium.auditor)
        return answer.exit_code is ExitCode.REFUSED, str(answer)

    def _audit_offline(self) -> tuple[bool, str]:
        must("audit", "export", self._export, "--home", self._consortium.auditor)
        answer = run("audit", "verify", "--blocks", self._export, "--anchor", self._anchor)
        return answer.exit_code is ExitCode.OK, str(answer)

    def _flipped_byte(self) -> tuple[bool, str]:
        copy = self._consortium.folder / "tampered"
        shutil.copytree(self._export, copy)
        block = max(copy.glob("*.block"))
        content = bytearray(block.read_bytes())
        content[len(content) // 2] ^= 0x01
        block.write_bytes(content)
        answer = run("audit", "verify", "--blocks", copy, "--anchor", self._anchor)
        return answer.exit_code is ExitCode.INTEGRITY, str(answer)

    # what several chapters use

    @property
    def _export(self) -> Path:
        return self._consortium.folder / "exported"

    @property
    def _anchor(self) -> Path:
        return self._consortium.auditor / "channel.block"

    def _enrolled(self) -> list[Person]:
        return [person for person in self._people if person.name in self._references]

    def _status_of(self, name: str) -> str:
        nodes = must("registry", "nodes", "--home", self._org1)
        return next((str(node["status"]) for node in nodes if node["node_id"] == name), "unknown")

    def _verify(self, picture: Path, person: Person, home: Path, *options: str) -> Answer:
        claim = ("--reference", self._references[person.name], "--purpose", PURPOSE)
        return run("verify", picture, *claim, "--home", home, *options)

    def _matches(self, person: Person, picture: Path, home: Path) -> Callable[[], tuple[bool, str]]:
        def verify() -> tuple[bool, str]:
            answer = self._verify(picture, person, home)
            return answer.exit_code is ExitCode.OK, _outcome(answer)

        return verify

    def _refused(self, answer: Answer, code: str) -> tuple[bool, str]:
        return answer.exit_code is ExitCode.REFUSED and answer.refusal == code, f"{code}: {answer}"

    def _count(self, kind: str, answers: Sequence[Answer], expected: ExitCode) -> tuple[bool, str]:
        """Add decisions to the report's figures; a picture without a usable face is counted, not dropped."""
        figures: dict[str, Any] = self._report.figures.setdefault(
            kind, {"decided": 0, "match": 0, "no_match": 0, "not_acquired": 0}
        )
        matches = sum(answer.exit_code is ExitCode.OK for answer in answers)
        no_matches = sum(answer.exit_code is ExitCode.NO_MATCH for answer in answers)
        rejected = sum(answer.refusal == "SAMPLE_REJECTED" for answer in answers)
        figures["match"] += matches
        figures["no_match"] += no_matches
        figures["decided"] += matches + no_matches
        figures["not_acquired"] += rejected
        happened = f"{matches} match, {no_matches} no match" + (
            f", {rejected} not acquired" if rejected else ""
        )
        if len(self._people) == 1:
            return all(answer.exit_code is expected for answer in answers), happened
        return matches + no_matches + rejected == len(answers), happened


def _outcome(answer: Answer) -> str:
    if answer.exit_code is ExitCode.OK:
        return "MATCH"
    return "NO MATCH" if answer.exit_code is ExitCode.NO_MATCH else str(answer)
