"""Who may call, and the handshake of .NET clients (Dispatcher contract 1.3, 7 item 1)."""

import base64

import pytest

from gateway.identity.principals import MACHINE
from gateway.surfaces.dispatcher.operations import OPERATIONS
from tests.contract.dispatcher import bodies
from tests.contract.dispatcher.conftest import Build
from tests.contract.dispatcher.house import ADMIN, JSON, Client, House, basic, challenged_by_soap

ADDRESSES = [
    ("GET", "help"),
    ("GET", "help/operations/GetJobs"),
    ("POST", "soap"),
    *(
        (
            operation.verb,
            operation.template.replace("{JOBID}", "5cf59e5a-343c-4d85-a83c-8b18e4731040")
            .replace("{WHATTYPE}", "Module")
            .replace("{WHATID}", "5cf59e5a-343c-4d85-a83c-8b18e4731040"),
        )
        for operation in OPERATIONS
    ),
]


def challenged(client: Client, method: str, path: str, **headers: str) -> None:
    answer = client.send(method, path, "{}" if method != "GET" else "", JSON, **headers)
    if (method, path) == ("POST", "soap"):
        challenged_by_soap(answer)
    else:
        answer.refused(401)
    assert answer.headers["WWW-Authenticate"].startswith('Basic realm="')
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_1_3_the_first_try_without_credentials_is_challenged(
    house: House, method: str, path: str
) -> None:
    challenged(house.client(None), method, path)


@pytest.mark.parametrize(
    "header",
    [
        basic("admin", "wrong"),
        basic("nobody", ADMIN[1]),
        basic("", ""),
        basic("a\0b", "c"),
        "Basic",
        "Basic !!!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
        "Negotiate TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAKALpHAAAADw==",
        "NTLM TlRMTVNTUAABAAAAB4IIogAAAAAAAAAAAAAAAAAAAAAKALpHAAAADw==",
        "Bearer abc",
    ],
)
def test_1_3_what_is_no_good_login_is_challenged_again(house: House, header: str) -> None:
    challenged(house.client(None), "GET", "jobs", Authorization=header)


def test_1_3_a_login_that_postgresql_cannot_store_is_challenged(stored_house: House) -> None:
    challenged(stored_house.client(("a\0b", "c")), "GET", "jobs")


def test_1_3_the_handshake_as_net_does_it(house: House) -> None:
    first = house.client(None).get("what/modules")
    assert first.status == 401
    assert house.client().get("what/modules").json == []


@pytest.mark.parametrize("scheme", ["basic", "BASIC", "Basic "])
def test_1_3_the_scheme_is_read_in_any_case(house: House, scheme: str) -> None:
    credentials = basic(*ADMIN).split()[1]
    answer = house.client(None).get("what/modules", Authorization=f"{scheme} {credentials}")
    assert answer.status == 200


def test_1_3_a_password_beyond_ascii_is_read_in_utf_8_and_latin_1(house: House) -> None:
    password = "pässwörd of some length"
    house.login("jürgen", "Readers", password=password)
    for charset in ("utf-8", "latin-1"):
        encoded = base64.b64encode(f"jürgen:{password}".encode(charset)).decode()
        answer = house.client(None).get("what/modules", Authorization=f"Basic {encoded}")
        assert answer.status == 200, charset


def test_1_3_only_logins_with_a_password_may_call(house: House) -> None:
    challenged(house.login("empty", "Readers", password=None), "GET", "jobs")


def test_1_3_a_disabled_login_may_not_call(house: House) -> None:
    client = house.login("gone", "Readers")
    assert client.get("jobs").status == 200
    house.gateway.logins.disable("gone", MACHINE)
    challenged(client, "GET", "jobs")


def test_1_3_no_cookie_is_set_or_needed(client: Client) -> None:
    assert "Set-Cookie" not in client.get("jobs").headers
    assert client.get("jobs", Cookie="session=stale").status == 200


def test_1_3_without_any_login_nobody_needs_to_say_who_he_is(build: Build) -> None:
    house = build(administrator=False)
    client = house.client(None)
    challenged(client, "GET", "jobs")
    house.gateway.logins.do_without(MACHINE)
    body = bodies.itm(house.module().guid, house.agent().agent)
    assert client.post("jobs", body).status == 200
    assert house.client(("", "")).get("jobs").json["Items"][0]["Status"]["JobInvokerInfo"] == ""
    challenged(client, "GET", "jobs", X_Forwarded_For="10.0.0.1")
    challenged(client, "GET", "jobs", Host="evil.example")
    house.login("first", "Readers")
    challenged(client, "GET", "jobs")


def test_1_3_guesses_are_slowed_and_told_when_to_come_again(house: House) -> None:
    guess = house.client(("admin", "guess"))
    answers = [guess.get("jobs") for _ in range(30)]
    assert {answer.status for answer in answers} == {401}
    assert int(answers[-1].headers["Retry-After"]) > 0


@pytest.mark.parametrize("path", ["soap?wsdl", "soap?xsd"])
def test_the_published_contract_needs_a_login_when_the_setting_says_so(
    build: Build, path: str
) -> None:
    assert build().client(None).get(path).status == 200
    challenged(build(wsdl_public=False).client(None), "GET", path)
    assert build(wsdl_public=False).client().get(path).status == 200


def test_nothing_is_stored_without_a_login(house: House) -> None:
    house.client(None).post("jobs", "{}")
    house.client(("admin", "wrong")).post("jobs", "{}")
    assert house.stored() == 0


@pytest.mark.parametrize("path", ["jobs", "soap"])
@pytest.mark.parametrize("login", [ADMIN, ("admin", "wrong"), None])
@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Sec_Fetch_Site": "cross-site"}]
)
def test_a_page_of_another_site_schedules_nothing_with_a_browsers_credentials(
    house: House, path: str, login: tuple[str, str] | None, headers: dict[str, str]
) -> None:
    body = bodies.itm(house.module().guid, house.agent().agent)
    answer = house.client(login).send("POST", path, body, "text/plain", **headers)
    assert (answer.status, "another site" in answer.text) == (403, True)
    assert house.stored() == 0


def test_a_page_of_another_site_aborts_nothing(house: House) -> None:
    job = house.engine.accept(house.engine.order(house.module().guid, house.agent()))
    path, origin = f"jobs/{job.guid}", "http://evil.example"
    answer = house.client().send("PUT", path, '{"Type":2}', "text/plain", Origin=origin)
    answer.refused(403)
    assert house.client().get(path).json["Status"]["Type"] != 3


def test_a_page_of_our_own_may_schedule(build: Build) -> None:
    house = build(public_url="https://gateway.example")
    body = bodies.itm(house.module().guid, house.agent().agent)
    for origin in ("http://localhost", "https://gateway.example"):
        answer = house.client().send("POST", "jobs", body, JSON, Origin=origin)
        assert answer.status == 200, answer.text
