"""A ledger in one process: Fabric's gateway, ordering, validation and blocks, without Fabric's binaries.

For development, demonstrations and tests. One process holds every organisation's peer key and orders alone:
it speaks and checks as a consortium would, but nobody should take it for one.

In the order a transaction passes through them: `gateway` (the gRPC service) asks the `endorser`, which runs
the contracts in a `simulator`; the `orderer` cuts batches; the `validator` judges each transaction; the
`committer` signs the block and puts it with the new state into the `store`, in one database transaction;
`delivery` serves blocks and events from there. `server` holds them together.
"""
