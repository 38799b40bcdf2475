"""The contracts as a Fabric chaincode service: `python -m veilmesh_chaincode`.

A peer opens one stream to the service and keeps it. Over it the peer sends transactions, as many at once as
it likes, and answers what they ask of its ledger:

    server.py       listens with mutual TLS, tells its health, ends when told
    stream.py       one peer's stream: registers, hands out what comes in, writes what goes out
    transaction.py  one transaction: from the proposal to the response
    stub.py         what its contract may ask, `veilmesh_chaincode.stub.Stub`
    ledger.py       the requests for that, page by page and batch by batch
    exchange.py     one request at a time, and its answer

Source: Fabric `core/chaincode/handler.go`, the peer's end of the stream.
"""
