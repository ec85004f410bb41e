"""UsernameTokens that were right once: whoever has seen a message cannot send it again."""

import base64
import concurrent.futures
import datetime
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.identity.principals import MACHINE
from tests.hostile import house, rules
from tests.hostile.corpus import security, token
from tests.hostile.house import Target
from tests.hostile.messages import S11, S12, Login, Message, envelope, typed

NAME, PASSWORD = Login.ADMINISTRATOR.value or ("", "")
SECRET = "a secret of soap, long enough"
NONCE = b"0123456789abcdef"
AT_ONCE = 8


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Target]:
    """A house of the test's own: nonces are kept in it."""
    with house.furnished(tmp_path) as furnished:
        furnished.house.gateway.soap_secrets.give(NAME, SECRET, MACHINE)
        yield furnished


def created() -> str:
    """The present moment as a token has it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def right(kind: str, moment: str) -> str:
    """A token that is right at that moment."""
    password = PASSWORD
    if kind == "#PasswordDigest":
        made = hashlib.sha1(NONCE + moment.encode() + SECRET.encode()).digest()
        password = base64.b64encode(made).decode()
    return token(kind, NAME, password, base64.b64encode(NONCE).decode(), moment)


def message(inside: str, operation: str = "GetModules", namespace: str = S11) -> Message:
    """A message that tells its login by this token only."""
    text = envelope(f"<{operation}/>", namespace, header=security(inside))
    return Message("replayed", text.encode(), typed(namespace, Login.NONE))


KINDS = pytest.mark.parametrize("kind", ["#PasswordText", "#PasswordDigest"])


@KINDS
def test_a_right_token_is_taken_once_whatever_it_comes_with_again(alone: Target, kind: str) -> None:
    inside = right(kind, created())
    before = alone.stored()
    assert alone.ask(message(inside)).status == 200
    changed = {name for name, rows in alone.stored().items() if rows != before[name]}
    assert len(changed) == 1
    assert "nonce" in changed.pop()
    kept = alone.stored()
    nonce = re.escape(base64.b64encode(NONCE).decode())
    again = [
        message(inside),
        message(inside, namespace=S12),
        message(inside, "RemoveAgent"),
        message(re.sub(nonce, lambda found: f" {found[0][:4]}\n{found[0][4:]} ", inside)),
        message(re.sub(nonce, lambda found: f"<![CDATA[{found[0]}]]>", inside)),
        message(re.sub(">(2[^<]*Z)<", r"> \1&#10;<", inside)),
    ]
    for one in again:
        answer = alone.ask(one)
        assert b"MessageExpired" in answer.body, answer.body
        assert rules.broken(one, answer) == []
    assert alone.stored() == kept


@KINDS
def test_of_the_same_token_from_many_connections_one_is_taken(alone: Target, kind: str) -> None:
    one = message(right(kind, created()))
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(alone.ask, [one] * AT_ONCE))
    assert [answer.status for answer in answers].count(200) == 1
    assert all(answer.status in (200, 500) for answer in answers)


@KINDS
@pytest.mark.parametrize("hours", [-24, 24])
def test_a_token_of_another_time_is_not_taken(alone: Target, kind: str, hours: int) -> None:
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)
    one = message(right(kind, moment.strftime("%Y-%m-%dT%H:%M:%SZ")))
    before = alone.stored()
    assert b"MessageExpired" in alone.ask(one).body
    assert alone.stored() == before


def test_bytes_moved_between_nonce_and_date_make_no_second_token(alone: Target) -> None:
    """The digest is of both in a row, so it stays the same; the date does not stay one."""
    moment = created()
    inside = right("#PasswordDigest", moment)
    assert alone.ask(message(inside)).status == 200
    for length in range(1, len(moment)):
        nonce = base64.b64encode(NONCE + moment[:length].encode()).decode()
        moved = inside.replace(base64.b64encode(NONCE).decode(), nonce)
        moved = moved.replace(f">{moment}<", f">{moment[length:]}<")
        assert alone.ask(message(moved)).status == 500
