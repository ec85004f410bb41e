"""Basic authentication of Flask routes, through Flask-HTTPAuth."""

from collections.abc import Callable
from http import HTTPStatus

import flask
from flask_httpauth import HTTPBasicAuth

from gateway.identity.authentication import Authenticated, Authenticator, Challenge, Outcome
from gateway.identity.open_access import OpenAccess
from gateway.identity.permissions import Access, Permissions, Reach
from gateway.identity.principals import Caller
from gateway.identity.username_tokens import UsernameToken, UsernameTokens
from gateway.web import origins, requests

REALM = "Dispatcher Gateway"
_CALLER = "gateway.caller"
_ADMITTED = "gateway.admitted"
_CHALLENGE = "gateway.challenge"


class MissingRight(Exception):
    """The caller is known but may not do this; the message names the right."""

    def __init__(self, caller: Caller, node: str, access: Access, what: str = "") -> None:
        """``what`` names the object, where the right reaches others."""
        about = f", for {what}" if what else ""
        super().__init__(f"{caller.name!r} has no {access.name.lower()} access to {node}{about}")


class _Basic(HTTPBasicAuth):  # type: ignore[misc]  # Flask-HTTPAuth has no types
    """Leaves the header to the authenticator, which reads it in more forms and only once."""

    def get_auth(self) -> None:
        """Nothing: ``verify_password`` looks for itself."""


class Guard:
    """Decides, before a body is read, whether a request may go on."""

    def __init__(
        self,
        authenticator: Authenticator,
        permissions: Permissions,
        open_access: OpenAccess,
        tokens: UsernameTokens,
    ) -> None:
        self._authenticator = authenticator
        self._permissions = permissions
        self._open_access = open_access
        self._tokens = tokens

    def basic(
        self,
        surface: str,
        unauthorized: Callable[[Challenge], flask.Response],
        public_url: str | None = None,
    ) -> HTTPBasicAuth:
        """Flask-HTTPAuth for one surface; ``unauthorized`` writes its 401 in its dialect.

        Changing calls that a page of another site makes are refused first, with 403.
        """
        auth = _Basic(realm=REALM)

        @auth.verify_password  # type: ignore[untyped-decorator]  # Flask-HTTPAuth has no types
        def verify(_name: str, _password: str) -> bool:
            _refuse_foreign_pages(public_url)
            return self._authenticate(surface)

        @auth.error_handler  # type: ignore[untyped-decorator]
        def refuse() -> flask.Response:
            challenge: Challenge = requests.present().environ[_CHALLENGE]
            answer = unauthorized(challenge)
            if challenge.retry_after is not None:
                answer.headers["Retry-After"] = str(challenge.retry_after)
            return answer

        return auth

    def identify(self, surface: str, public_url: str | None) -> Challenge | None:
        """Find out who sends this request; the challenge if that is not known.

        What ``basic`` does for routes of Flask. Raises Forbidden for a page of another site.
        """
        _refuse_foreign_pages(public_url)
        if self._authenticate(surface):
            return None
        challenge: Challenge = requests.present().environ[_CHALLENGE]
        return challenge

    def admit(self, token: UsernameToken, surface: str, public_url: str | None) -> Outcome:
        """Who sends a token with this request; it may go on as his if that is known.

        Where a request is run again, what was found out before holds: a token is taken once.
        """
        request = requests.present()
        _refuse_foreign_pages(public_url)
        known = request.environ.get(_ADMITTED)
        outcome = known or self._tokens.verify(token, request.remote_addr or "")
        if isinstance(outcome, Authenticated):
            request.environ[_ADMITTED] = outcome
            request.environ[_CALLER] = requests.caller(outcome.principal, surface)
        return outcome

    def caller(self) -> Caller:
        """Who was found to send this request."""
        caller: Caller = requests.present().environ[_CALLER]
        return caller

    def check(self, node: str, access: Access) -> Caller:
        """The caller, if his right reaches anything of a node at all. Raises MissingRight."""
        caller: Caller = requests.present().environ[_CALLER]
        if not self._permissions.allowed(caller.principal, node, access):
            raise MissingRight(caller, node, access)
        return caller

    def reach(self, node: str, access: Access) -> Reach:
        """How far the caller's right to a node reaches."""
        caller: Caller = requests.present().environ[_CALLER]
        return self._permissions.reach(caller.principal, node, access)

    def _authenticate(self, surface: str) -> bool:
        """Whether it is known who calls; the header is read here in all forms that clients use."""
        request = requests.present()
        if self._needs_no_login(surface, request):
            request.environ[_CALLER] = requests.caller(None, surface)
            return True
        outcome = self._authenticator.authenticate(
            request.environ.get("HTTP_AUTHORIZATION"), request.remote_addr or ""
        )
        if isinstance(outcome, Authenticated):
            request.environ[_CALLER] = requests.caller(outcome.principal, surface)
            return True
        request.environ[_CHALLENGE] = outcome
        return False

    def _needs_no_login(self, surface: str, request: flask.Request) -> bool:
        if not self._open_access.possible() or requests.forwarded():
            return False
        return self._open_access.permits(surface, requests.peer(), dict(request.headers))


def challenge_headers(challenge: Challenge) -> dict[str, str]:
    """The headers of a 401."""
    headers = {"WWW-Authenticate": f'Basic realm="{REALM}"'}
    if challenge.retry_after is not None:
        headers["Retry-After"] = str(challenge.retry_after)
    return headers


def _refuse_foreign_pages(public_url: str | None) -> None:
    # Browsers send remembered Basic credentials along with what any page lets them post.
    request = requests.present()
    problem = origins.problem(request.method, request.headers, public_url)
    if problem is not None:
        flask.abort(HTTPStatus.FORBIDDEN, problem)
