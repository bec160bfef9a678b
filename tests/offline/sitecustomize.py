"""No network beyond this machine, for the tests and their children: Python imports a file of this name by itself."""

import sys
from typing import Any

_HERE = ("127.", "::1", "localhost", "0.0.0.0", "::ffff:127.")


def refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook: addresses and names of other machines are out of reach, as without a network."""
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
    if not name.startswith(_HERE):
        import errno

        raise OSError(errno.ENETUNREACH, f"The tests reach no other machine: {name}")


sys.addaudithook(refuse_network)
