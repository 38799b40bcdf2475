"""What can go wrong between us and a Fabric network.

FabricError
├── IdentityError           a certificate, key or MSP folder that cannot be used
├── GatewayError            the gateway answered with an error; carries per-peer details
│   ├── EvaluateError
│   ├── EndorseError        ┐
│   ├── SubmitError         ├ carry the transaction id
│   └── CommitStatusError   ┘
├── CommitError             committed, but not as VALID; carries the validation code
├── DeliverError            block or event delivery refused or broken
├── DecodeError             bytes that are not the Fabric message they claim to be
└── VerificationError       a block or transaction that breaks a rule; names block, transaction and rule
"""
