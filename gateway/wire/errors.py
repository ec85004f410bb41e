"""What can be wrong with bytes that came over the wire.

Every reader of this package ends in a value or in one of these errors, never in another
exception: a client's mistake must be told to the client, not to the log.
"""


class WireError(Exception):
    """A client sent something that cannot be read. ``str()`` is a sentence fit for an answer.

    The sentence says what is wrong and where. It may quote the client's own data, and holds
    nothing else: no paths, no internals, so every surface may show it as it is.
    """

    @property
    def sentence(self) -> str:
        """The text to show to the client."""
        return str(self)


class CharsetError(WireError):
    """The bytes are in no encoding that was named, or the name is of no known encoding."""


class XmlError(WireError):
    """The bytes are not XML, or XML of a kind that is refused (DOCTYPE, too deep, too large)."""


class JsonError(WireError):
    """The bytes are not JSON, not even in the lenient dialect of :mod:`gateway.wire.wcf_json`."""


class MessageError(WireError):
    """A well-formed document holds a value that its message class does not allow.

    ``path`` names the member as clients write it, from the message's name on:
    ``Job.When.ScheduledDateTime``, ``Job.What[0].ID``. ``problem`` is the sentence without it.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}" if path else problem)
        self.path = path
        self.problem = problem

    def below(self, step: str) -> "MessageError":
        """Return the same error as seen from one level further out.

        ``step`` is a member's or message's name, or an index such as ``[3]``.
        """
        joint = "." if self.path and not self.path.startswith("[") else ""
        return MessageError(f"{step}{joint}{self.path}", self.problem)
