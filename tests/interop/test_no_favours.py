"""The server knows no client: what it does for one it does for all."""

import re
from pathlib import Path

GATEWAY = Path(__file__).parents[2] / "gateway"
# Names by which a program could know its clients again.
_CLIENTS = re.compile(
    r"user.?agent|\bzeep\b|\bsuds\b|pysimplesoap|strong.?soap|\bPHP\b|SOAP::|\bgSOAP\b|KDSoap|"
    r"\bMono\b|JAX.?WS|\bAxis\b",
    re.IGNORECASE,
)


def test_no_code_asks_which_client_calls() -> None:
    found = []
    for path in (GATEWAY / "surfaces" / "dispatcher").glob("*.py"):
        code = re.sub(r'""".*?"""|#[^\n]*', "", path.read_text("utf-8"), flags=re.DOTALL)
        found += [f"{path.name}: {match}" for match in _CLIENTS.findall(code)]
    assert found == []


def test_the_front_and_the_web_side_look_at_no_user_agent() -> None:
    for folder in ("front", "web", "wire"):
        for path in (GATEWAY / folder).glob("*.py"):
            assert not re.search(r"user.?agent", path.read_text("utf-8"), re.IGNORECASE), path
