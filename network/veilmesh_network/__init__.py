"""Brings a ledger up on this machine: the embedded ledger in one process, with development certificates."""
