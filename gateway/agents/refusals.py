"""What keeps a remote agent from its server, in words for whoever runs the agent."""

from storage.errors import StoreUnavailable


class ServerUnreachable(StoreUnavailable):
    """No answer of the server came, or one that is none of its; it is tried again later."""


class NotTrusted(ServerUnreachable):
    """Whoever answers does not prove to be the server that was meant."""


class RequestRefused(Exception):
    """The server understood the request and will never do it. ``code`` is a Problem's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Unauthenticated(Exception):
    """The server does not (or no longer) know the token: the agent was revoked or removed."""


class SecondAgent(Exception):
    """Another process has this agent's identity and is at work."""


class AgentRefused(Exception):
    """The agent cannot start, or cannot go on; the sentence says what to do."""
