"""The rules that a chain of blocks keeps, by the names that errors carry."""

from enum import StrEnum


class Rule(StrEnum):
    """What a `VerificationError.rule` can be."""

    ENCODING = "encoding"  # a block is a canonically encoded, complete message
    BLOCK_SIZE = "block-size"  # a block is no larger than an orderer may make it
    BLOCK_NUMBER = "block-number"  # blocks are numbered from 0 without gaps
    TRUST_ANCHOR = "trust-anchor"  # block 0 is the one the verifier trusts
    PREVIOUS_HASH = "previous-hash"  # a header names the hash of the header before it
    DATA_HASH = "data-hash"  # a header names the hash of its block's transactions
    BLOCK_SIGNATURE = "block-signature"  # orderers signed the block as the channel's policy wants
    LAST_CONFIG = "last-config"  # the orderers name the config block in force
    ORDERER_METADATA = "orderer-metadata"  # obsolete metadata entries do not contradict the signed ones
    VALIDATION_CODE = "validation-code"  # a transaction has the code that the chain leads to
    COMMIT_HASH = "commit-hash"  # the hash over all state updates is the one that the chain leads to
    CHANNEL = "channel"  # a transaction is for this channel
    MALFORMED = "malformed-transaction"  # a valid transaction can be read whole
    CREATOR = "creator"  # whoever sent a transaction was a member then
    CREATOR_SIGNATURE = "creator-signature"  # and signed it
    WRITERS = "writers"  # and was allowed to write to the channel
    TRANSACTION_ID = "transaction-id"  # the id is the hash of nonce and creator
    DUPLICATE_ID = "duplicate-transaction-id"  # and was not used before
    PROPOSAL_HASH = "proposal-hash"  # the endorsers answered the proposal that stands in the transaction
    CHAINCODE = "chaincode"  # the chaincode is defined on the channel
    ENDORSEMENT = (
        "endorsement-policy"  # enough endorsers signed, by every policy that a written key falls under
    )
    READ_VERSIONS = "read-versions"  # what was read was current
    CONFIG_UPDATE = (
        "config-update"  # a configuration follows from the one before it, with the consent it needs
    )
    PEERS_AGREE = "peers-agree"  # every organisation's peer has the same blocks, as far, and wrote the same
