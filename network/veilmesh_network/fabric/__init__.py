"""A real Fabric network on this machine: peers, orderers and chaincode services as supervised processes.

plan.py             which orderers there are, and who listens on which port
binaries.py         peer and orderer, found and asked for their version
configuration.py    core.yaml, orderer.yaml and the external builder, written out from our templates
tether.py           a program that dies with its parent
processes.py        children that are watched, restarted and told of in processes.json
participation.py    an orderer's administration, over HTTPS: join a channel
peer_admin.py       a peer's administration, over gRPC: join a channel, install a chaincode
package.py          the chaincode package, the same bytes each time
definition.py       the chaincode's definition: approved by each member, committed once
readiness.py        waiting for what takes its time, never longer than it takes
bring_up.py         all of it, in order
supervise.py        the one process that holds the network's lock, and everything else
status.py           what runs, and how far it is
"""
