"""By what an agent knows its server, and by what the server may know the agent: TLS."""

import dataclasses
import re
import ssl
from pathlib import Path

from gateway.agents.refusals import AgentRefused

_PIN = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


def pin(text: str) -> str:
    """A fingerprint as ``sha256:`` and 64 hex digits; colons between bytes are taken, too.

    Raises AgentRefused.
    """
    plain = text.strip().lower()
    head, digits = ("sha256:", plain[7:]) if plain.startswith("sha256:") else ("", plain)
    found = _PIN.fullmatch(head + digits.replace(":", ""))
    if found is None:
        raise AgentRefused(
            f"{text!r} is no pin: it is sha256: and the 64 hex digits of the SHA-256 of the "
            "server's certificate (openssl x509 -noout -fingerprint -sha256)"
        )
    return f"sha256:{found[1]}"


@dataclasses.dataclass(frozen=True)
class Trust:
    """``ca`` is a PEM file of the authorities that count instead of the well-known ones; ``pin``
    the fingerprint of the very certificate that counts instead of any authority. ``certificate``
    and ``key`` are the agent's own, where the server asks for one.
    """

    ca: Path | None = None
    pin: str | None = None
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """For all connections to the server. Raises AgentRefused for a file that is no use."""
        context = self._authorities()
        if self.pin is not None:
            # The fingerprint is compared after the handshake, before anything is sent.
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate is not None:
            self._prove(context, self.certificate)
        return context

    def _authorities(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            raise AgentRefused(f"the file of authorities {self.ca} is no use: {error}") from None

    def _prove(self, context: ssl.SSLContext, certificate: Path) -> None:
        try:
            # Without a password nobody is to be asked for one at a terminal.
            context.load_cert_chain(certificate, self.key, password=_no_password)
        except (OSError, ValueError) as error:
            raise AgentRefused(
                f"the certificate {certificate} cannot be used with the key "
                f"{self.key or certificate}: {error}"
            ) from None


def _no_password() -> str:
    raise ValueError("the key is encrypted; an agent needs one without a password")
