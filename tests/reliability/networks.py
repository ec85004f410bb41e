"""A network that can be cut, for an agent alone."""

import contextlib
import random
import subprocess

# Tests run side by side: each network has a number that no other has.
_NUMBERS = 60_000
_TRIES = 20


class Namespace:
    """A network of its own beside this one; ``cut`` and ``mend`` are the cable between them.

    ``host`` is this side's address. Only root may make one.
    """

    def __init__(self) -> None:
        number = _free_number()
        self.name = _name(number)
        self._cable = f"gw{number}"
        self.host = f"10.213.{number // 250 % 250}.{1 + number % 250}"
        other = f"10.214.{number // 250 % 250}.{1 + number % 250}"
        far = f"{self._cable}f"
        _ip("link", "add", self._cable, "type", "veth", "peer", "name", far, "netns", self.name)
        _ip("addr", "add", f"{self.host}/32", "peer", f"{other}/32", "dev", self._cable)
        _ip("link", "set", self._cable, "up")
        inside = ("-n", self.name)
        _ip(*inside, "addr", "add", f"{other}/32", "peer", f"{self.host}/32", "dev", far)
        _ip(*inside, "link", "set", far, "up")
        _ip(*inside, "link", "set", "lo", "up")

    @property
    def before(self) -> tuple[str, ...]:
        """What stands before a command line to have it run there."""
        return ("ip", "netns", "exec", self.name)

    def cut(self) -> None:
        """Pull the cable out."""
        _ip("link", "set", self._cable, "down")

    def mend(self) -> None:
        """Put it in again."""
        _ip("link", "set", self._cable, "up")

    def remove(self) -> None:
        """Take the network away."""
        for arguments in (("link", "del", self._cable), ("netns", "del", self.name)):
            with contextlib.suppress(subprocess.CalledProcessError):
                _ip(*arguments)


def _free_number() -> int:
    """The number of a network that was made just now."""
    for _ in range(_TRIES):
        number = random.SystemRandom().randrange(_NUMBERS)
        with contextlib.suppress(subprocess.CalledProcessError):
            _ip("netns", "add", _name(number))
            return number
    raise AssertionError("no network can be made: run this as root, in a container that may")


def _name(number: int) -> str:
    return f"gateway-{number}"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=30)
