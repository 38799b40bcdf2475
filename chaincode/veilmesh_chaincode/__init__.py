"""The consortium's contracts: records, pure rules, the access table, and the contracts that join them."""
