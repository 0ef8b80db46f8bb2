"""Free local ports."""

import contextlib
import socket


def free_ports(address: str, count: int) -> list[int]:
    """Different from each other, since all are held until the last is found."""
    with contextlib.ExitStack() as held:
        found = []
        for _ in range(count):
            one = held.enter_context(socket.socket())
            one.bind((address, 0))
            found.append(int(one.getsockname()[1]))
        return found
