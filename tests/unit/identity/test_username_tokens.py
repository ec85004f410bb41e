"""UsernameTokens: text and digest, fresh and stale, taken once; and the secrets behind digests."""

import base64
import concurrent.futures
import contextlib
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import moments
from gateway.identity import audit, errors
from gateway.identity.authentication import Authenticated, Authenticator, Challenge, Reason
from gateway.identity.credential_cache import CredentialCache
from gateway.identity.rotation import Rotation
from gateway.identity.soap_secrets import SoapSecrets
from gateway.identity.throttle import Throttle
from gateway.identity.username_tokens import Freshness, UsernameToken, UsernameTokens
from gateway.identity.vault import open_vault
from storage import models
from storage.database import Store
from tests.conftest import StorePlace
from tests.unit.identity.conftest import CALLER, Parts

HERE = "192.0.2.1"
SECRET = "a secret for digests, größer"
NOW = 1_800_000_000 * moments.SECOND
NOW_TEXT = "2027-01-15T08:00:00Z"
FRESHNESS = Freshness(lifetime=300 * moments.SECOND, skew=60 * moments.SECOND)
WRONG = Challenge(Reason.WRONG)


class House:
    """Tokens over a store, with Alice, whose password and secret are known; the time stands."""

    def __init__(self, store: Store, keys: Path, *, new: bool = True) -> None:
        parts = Parts(store)
        self.now = NOW
        self.store = store
        self.logins = parts.logins
        self.vault = open_vault(store, keys)
        self.secrets = SoapSecrets(store, self.vault, parts.epoch, lambda: self.now)
        self.authenticator = Authenticator(
            store, parts.passwords, parts.epoch, CredentialCache(60), Throttle()
        )
        self.tokens = UsernameTokens(
            store, self.authenticator, self.secrets, FRESHNESS, lambda: self.now
        )
        if new:
            self.logins.add("Alice", "wonderland", ["Administrators"], CALLER)
            self.logins.add("Bob", "a builder's", [], CALLER)
            self.secrets.give("alice", SECRET, CALLER)

    def outcome(self, token: UsernameToken) -> str | Reason:
        """The name of who sends a token, or why it is not taken."""
        outcome = self.tokens.verify(token, HERE)
        return outcome.principal.name if isinstance(outcome, Authenticated) else outcome.reason


@pytest.fixture
def house(store: Store, tmp_path: Path) -> House:
    return House(store, tmp_path / "keys.json")


def text(name: str = "Alice", password: str = "wonderland", **members: object) -> UsernameToken:
    return replace(UsernameToken(name, password), **members)  # type: ignore[arg-type]


def digest(
    name: str = "Alice", secret: str = SECRET, nonce: bytes = b"nonce", created: str = NOW_TEXT
) -> UsernameToken:
    made = hashlib.sha1(nonce + created.encode() + secret.encode()).digest()
    return UsernameToken(
        name, base64.b64encode(made).decode(), True, nonce, NOW, created_text=created
    )


def test_a_password_in_clear_is_taken_from_every_login(house: House) -> None:
    assert house.outcome(text()) == "Alice"
    assert house.outcome(text()) == "Alice"  # without a nonce it may come again
    assert house.outcome(text("bob", "a builder's")) == "Bob"
    assert house.outcome(text(password="looking glass")) == Reason.WRONG
    assert house.outcome(text("nobody")) == Reason.WRONG
    assert house.outcome(text("", "")) == Reason.NO_CREDENTIALS


def test_a_digest_is_taken_only_from_a_login_with_a_soap_secret(house: House) -> None:
    assert house.outcome(digest()) == "Alice"
    assert house.outcome(digest(" ALICE ", nonce=b"2")) == "Alice"
    assert house.outcome(digest(secret="wonderland", nonce=b"3")) == Reason.WRONG
    assert house.outcome(digest("Bob", "a builder's")) == Reason.WRONG
    assert house.outcome(digest("Bob", "")) == Reason.WRONG
    assert house.outcome(digest("nobody", "")) == Reason.WRONG
    assert house.outcome(digest("a:b", "")) == Reason.WRONG


def test_a_digest_is_of_its_own_nonce_and_date(house: House) -> None:
    token = digest()
    assert house.outcome(replace(token, nonce=b"other")) == Reason.WRONG
    assert house.outcome(replace(token, created_text="2027-01-15T08:00:00.0Z")) == Reason.WRONG
    assert house.outcome(replace(token, password=token.password + "=")) == Reason.WRONG
    assert house.outcome(replace(token, password="ä")) == Reason.WRONG
    assert house.outcome(replace(token, nonce=None)) == Reason.DIGEST_INCOMPLETE
    assert house.outcome(replace(token, created=None)) == Reason.DIGEST_INCOMPLETE
    assert house.outcome(token) == "Alice"


def test_a_soap_secret_is_no_password_and_a_password_no_secret(house: House) -> None:
    assert house.outcome(text(password=SECRET)) == Reason.WRONG
    assert house.authenticator.verify("Alice", SECRET, HERE) == WRONG


@pytest.mark.parametrize(
    ("seconds", "taken"), [(-361, False), (-360, True), (0, True), (60, True), (61, False)]
)
def test_a_token_is_taken_only_around_its_time(house: House, seconds: int, taken: bool) -> None:
    for token in (text(), digest()):
        created = NOW + seconds * moments.SECOND
        expected = "Alice" if taken else Reason.STALE
        assert house.outcome(replace(token, created=created)) == expected


def test_a_nonce_is_taken_once(house: House) -> None:
    for token in (text(nonce=b"1"), text(nonce=b"1", created=NOW, created_text="x"), digest()):
        assert house.outcome(token) == "Alice"
        assert house.outcome(token) == Reason.REPLAYED
    assert house.outcome(text("Bob", "a builder's", nonce=b"1")) == "Bob"  # it is another's


def test_a_wrong_token_uses_no_nonce_up(house: House) -> None:
    assert house.outcome(text(password="guess", nonce=b"1")) == Reason.WRONG
    assert house.outcome(text(nonce=b"1")) == "Alice"


def test_a_nonce_is_remembered_by_the_next_process_and_by_the_others(
    store_place: StorePlace, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.json"
    with contextlib.closing(store_place.open()) as store:
        assert House(store, keys).outcome(digest()) == "Alice"
    with contextlib.closing(store_place.open()) as store:
        assert House(store, keys, new=False).outcome(digest()) == Reason.REPLAYED


def test_of_the_same_token_from_many_at_once_one_is_taken(house: House) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(house.outcome, [digest()] * 16))
    assert sorted(map(str, found)) == sorted(["Alice", *[str(Reason.REPLAYED)] * 15])


def test_nonces_are_forgotten_when_their_tokens_are_stale(house: House) -> None:
    token = digest()
    house.outcome(token)
    house.outcome(text(nonce=b"1"))
    house.now += FRESHNESS.lifetime + FRESHNESS.skew
    assert house.tokens.sweep(10) == 0
    assert house.outcome(token) == Reason.REPLAYED
    house.now += 2
    assert house.outcome(token) == Reason.STALE
    assert house.tokens.sweep(1) == 1
    assert house.tokens.sweep(10) == 1
    with house.store.reading() as session:
        assert session.rows(models.UsedNonce.select()) == []


def test_guesses_are_slowed_as_with_basic(house: House) -> None:
    found = {house.outcome(digest(secret=f"guess {n}", nonce=b"%d" % n)) for n in range(200)}
    assert found == {Reason.WRONG, Reason.THROTTLED}
    outcome = house.tokens.verify(digest(), HERE)
    assert isinstance(outcome, Challenge)
    assert outcome.retry_after


def test_a_secret_is_given_changed_and_taken(house: House) -> None:
    assert house.secrets.give("alice", "another long secret", CALLER) is None
    assert house.outcome(digest()) == Reason.WRONG
    assert house.outcome(digest(secret="another long secret")) == "Alice"
    made = house.secrets.give("alice", None, CALLER)
    assert made
    assert house.outcome(digest(secret=made, nonce=b"2")) == "Alice"
    house.secrets.take("alice", CALLER)
    assert house.outcome(digest(secret=made, nonce=b"3")) == Reason.WRONG
    with house.store.reading() as session:
        assert session.rows(models.Secret.select()) == []
        shown = repr(audit.page(session))
    assert "login.soap-secret" in shown
    assert made not in shown


def test_secrets_that_can_be_guessed_are_refused(house: House) -> None:
    for secret in ("", "x" * 11, "x" * 257):
        with pytest.raises(errors.PasswordRefused, match="12 to 256"):
            house.secrets.give("alice", secret, CALLER)
    with pytest.raises(errors.LoginNotFound):
        house.secrets.give("nobody", None, CALLER)
    with pytest.raises(errors.LoginNotFound):
        house.secrets.take("nobody", CALLER)
    assert house.outcome(digest()) == "Alice"


def test_who_is_disabled_or_removed_proves_nothing(house: House) -> None:
    house.logins.add("Carol", "c" * 12, ["Administrators"], CALLER)
    house.logins.disable("alice", CALLER)
    assert house.outcome(digest()) == Reason.WRONG
    house.logins.enable("alice", CALLER)
    house.logins.remove("alice", CALLER)
    assert house.outcome(digest()) == Reason.WRONG
    with house.store.reading() as session:
        assert session.rows(models.Secret.select()) == []
    house.logins.add("alice", "wonderland", [], CALLER)
    assert house.outcome(digest()) == Reason.WRONG


def test_a_secret_survives_the_rotation_of_keys(house: House) -> None:
    Rotation(house.store, house.vault, moments.now).rotate(CALLER)
    assert house.outcome(digest()) == "Alice"
