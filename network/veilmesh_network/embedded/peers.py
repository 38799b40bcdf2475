"""The peers of those who are members now: who endorses follows the channel's configuration."""

from collections.abc import Callable, Sequence

from veilmesh_network.channel_edits import members
from veilmesh_network.embedded.channel import Channel
from veilmesh_network.embedded.endorser import Peer


class MembersPeers:
    """The peer of each member whose keys this process has."""

    def __init__(self, channel: Channel, found: Callable[[str], Peer | None]) -> None:
        """Follow `channel`.

        Args:
            channel: says who is a member.
            found: returns the peer of an organisation, by MSP id; None where its keys are not at hand.
        """
        self._channel = channel
        self._found = found
        self._sequence = -1  # of the configuration that `_peers` follows
        self._peers: Sequence[Peer] = ()

    def __call__(self) -> Sequence[Peer]:
        """Return them in the order of their MSP ids. One that joined is looked for once."""
        config = self._channel.config
        if config.sequence != self._sequence:
            found = map(self._found, members(config.root))
            self._peers = [peer for peer in found if peer is not None]
            self._sequence = config.sequence
        return self._peers
