"""What the consortium decided is right: pure functions from records, a request and the time to new records.

No function here reads state, a clock or a certificate; each returns what shall stand on the ledger, or raises
`Refusal` with the rule that says no. The contracts fetch and store.
"""
