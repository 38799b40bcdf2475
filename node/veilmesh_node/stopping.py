"""How a process that serves learns that it is to end."""

import asyncio
import signal


def stop_signal() -> asyncio.Event:
    """Return what is set once SIGTERM or SIGINT comes; they end nothing themselves from now on."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
