"""What stands on the ledger: records, the requests that change them, and the refusals that stop a change.

Everything here is pure data and the arithmetic on it (canonical JSON, Merkle trees), so that a node, an
auditor and a contract read the same definitions. The rules live in `veilmesh_chaincode.rules`, reached by
contracts alone.
"""
