"""The resource service (Dispatcher contract 3, rows 19 to 21; the names of headers are ours)."""

import concurrent.futures
import contextlib
import hashlib
import json
import re
import socket
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import zeep
from lxml import etree

from gateway.catalog.definitions import Module, Task
from gateway.catalog.resources import Resource
from gateway.identity import audit, roles
from gateway.identity.permissions import Access, Node
from gateway.identity.principals import MACHINE
from gateway.surfaces.dispatcher import resource_messages
from storage import models
from storage.session import Session
from tests.contract.dispatcher import served
from tests.contract.dispatcher.conftest import Build
from tests.contract.dispatcher.house import (
    ADMIN,
    JSON,
    XML,
    Answer,
    Client,
    House,
    basic,
    challenged_by_soap,
    checked,
)

PATH = "/Dispatcher/ResourceService"
UPLOAD = f"{PATH}/UploadResource"
DELETE = f"{PATH}/DeleteResource"
OCTETS = "application/octet-stream"
NAMESPACE = f"{{{resource_messages.NAMESPACE}}}"
LOGIN = basic(*ADMIN)


def upload(client: Client, body: bytes = b"content", **headers: str) -> Answer:
    return client.send("POST", UPLOAD, body, OCTETS, **{"Accept": JSON} | headers)


def delete(client: Client, **headers: str) -> Answer:
    return client.send("POST", DELETE, **{"Accept": JSON} | headers)


def resources(house: House) -> list[Resource]:
    with house.gateway.store.reading() as session:
        return house.gateway.resources.all(session)


def content(house: House, guid: str) -> bytes:
    with house.gateway.store.reading() as session:
        found = house.gateway.resources.resolve(session, guid)
    return b"".join(house.gateway.resources.content(found))


def blobs(house: House) -> int:
    """How many contents are in the store, those among them that nothing refers to."""
    with house.gateway.store.reading() as session:
        return len(session.rows(models.Blob.select(models.Blob.id)))


# --- row 19: a new resource ------------------------------------------------------------------


def test_row_19_a_new_resource(stored_house: House) -> None:
    client = stored_house.client()
    made = upload(
        client,
        b"\0\xff content",
        Filename="setup.msi",
        Name="Agent setup",
        Folder="Tools/Windows",
        Description="For all machines",
        Version="2.1",
        ParseContent="True",
        SkipEnvironmentVariables="false",
    ).json
    date = made.pop("VersionDateTime")
    assert date.startswith("/Date(")
    assert uuid.UUID(made["ID"])
    assert made == {
        "Description": "For all machines",
        "Filename": "setup.msi",
        "Folder": "Tools/Windows",
        "ID": made["ID"],
        "Name": "Agent setup",
        "ParseContent": True,
        "Sha256": hashlib.sha256(b"\0\xff content").hexdigest(),
        "Size": 10,
        "SkipEnvironmentVariables": False,
        "Version": "2.1",
        "VersionNumber": 1,
    }
    assert content(stored_house, made["ID"]) == b"\0\xff content"


def test_row_19_only_filename_and_content_are_needed(house: House) -> None:
    made = upload(house.client(), Filename="setup.msi").json
    assert (made["Name"], made["Folder"], made["Version"]) == ("setup.msi", "", "1.0.0")
    assert (made["ParseContent"], made["SkipEnvironmentVariables"]) == (False, False)


@pytest.mark.parametrize(
    ("content_type", "accept", "dialect"),
    [
        (OCTETS, None, XML),
        (None, None, XML),
        (OCTETS, JSON, JSON),
        (JSON, XML, XML),
        # Contract 1.4: without an Accept the request's own Content-Type counts.
        (JSON, None, JSON),
        ("application/x-www-form-urlencoded", None, XML),
        # As clients say that send a file as it is and mean an upload.
        ("multipart/form-data", None, XML),
    ],
)
def test_row_19_the_answer_is_in_the_dialect_that_is_wanted_and_the_body_is_never_read_as_a_message(
    house: House, content_type: str | None, accept: str | None, dialect: str
) -> None:
    more = {} if accept is None else {"Accept": accept}
    data = b'{"not": "ours"}'
    answer = house.client().send(
        "POST", UPLOAD, data, content_type, Filename="settings.json", **more
    )
    assert answer.headers["Content-Type"] == f"{dialect}; charset=utf-8"
    if dialect == JSON:
        guid = answer.json["ID"]
    else:
        assert answer.xml.tag == f"{NAMESPACE}Resource"
        guid = answer.xml.findtext(f"{NAMESPACE}ID")
    assert content(house, guid) == data


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ({"Content_Encoding": "gzip"}, "gzip"),
        ({"Content_Type": "multipart/form-data; boundary=x"}, "multipart"),
    ],
)
def test_row_19_a_file_in_another_form_is_refused_not_stored_in_it(
    house: House, headers: dict[str, str], word: str
) -> None:
    with served.serving(house) as place, place.connected() as wire:
        wire.send(request(Content_Length="5", Expect="100-continue", **headers))
        wire.answer().refused(415, word, "send it as it is")
    assert (resources(house), blobs(house)) == ([], 0)


@pytest.mark.parametrize("address", [UPLOAD.lower(), UPLOAD.upper(), f"{PATH}/uploadResource"])
def test_row_19_paths_in_any_case(house: House, address: str) -> None:
    answer = house.client().send("POST", address, b"x", OCTETS, Filename="x")
    assert answer.xml.findtext(f"{NAMESPACE}Filename") == "x"


def test_row_19_a_slash_at_the_end_is_sent_on(house: House) -> None:
    answer = house.client().send("POST", f"{UPLOAD}/", b"x", OCTETS, Filename="x")
    assert (answer.status, answer.headers["Location"]) == (307, f"{PATH}/uploadresource")
    assert resources(house) == []


def test_another_verb_is_refused(client: Client) -> None:
    for address in (UPLOAD, DELETE):
        answer = client.send("GET", address)
        answer.refused(405)
        assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "names",
    [
        ("filename", "folder", "comment", "parsecontent"),
        ("FILENAME", "FOLDER", "COMMENTS", "PARSE-CONTENT"),
        ("FileName", "folder", "Description", "Parse-Content"),
        ("File-Name", "Folder", "DESCRIPTION", "ParseFileContent"),
    ],
)
def test_row_19_names_of_headers_in_any_case(house: House, names: tuple[str, ...]) -> None:
    values = ("x.txt", "A/B", "what it is", "1")
    headers = dict(zip(names, values, strict=True))
    made = upload(house.client(), **headers).json
    shown = (made["Filename"], made["Folder"], made["Description"], made["ParseContent"])
    assert shown == ("x.txt", "A/B", "what it is", True)


@pytest.mark.parametrize(
    ("headers", "body", "words"),
    [
        ({}, b"x", ("Filename", "is missing")),
        ({"Name": "only"}, b"x", ("Filename", "is missing")),
        ({"Filename": ""}, b"x", ("Filename", "is missing")),
        ({"Filename": "x.txt"}, b"", ("content of the file 'x.txt' is missing",)),
        ({"Filename": "../../etc/passwd"}, b"x", ("no name of a file", "folders")),
        ({"Filename": "..%2F..%2Fetc%2Fpasswd"}, b"x", ("no name of a file",)),
        ({"Filename": "C:\\Windows\\x.dll"}, b"x", ("no name of a file",)),
        ({"Filename": ".."}, b"x", ("no name of a file",)),
        ({"Filename": "a%0Ab"}, b"x", ("one line",)),
        ({"Filename": "a%00b"}, b"x", ("U+0000",)),
        ({"Filename": "x" * 256}, b"x", ("255 characters",)),
        ({"Filename": "x", "Name": "%20"}, b"x", ("255 characters",)),
        ({"Filename": "x", "Folder": "/A"}, b"x", ("folder path",)),
        ({"Filename": "x", "Folder": "A//B"}, b"x", ("folder path",)),
        ({"Filename": "x", "ParseContent": "perhaps"}, b"x", ("ParseContent", "true or false")),
        ({"Filename": "x", "Guid": "no id"}, b"x", ("Guid", "an id such as")),
        ({"Filename": "UTF-8''%FF"}, b"x", ("Filename", "RFC 8187")),
        ({"Filename": "x", "Description": "a", "Comment": "b"}, b"x", ("Description", "twice")),
    ],
)
def test_row_19_what_cannot_be_stored_is_refused_by_name(
    house: House, headers: dict[str, str], body: bytes, words: tuple[str, ...]
) -> None:
    upload(house.client(), body, **headers).refused(400, *words)
    assert (resources(house), blobs(house)) == ([], 0)


@pytest.mark.parametrize(
    ("filled", "told"),
    [
        ({"Filename": "a/b"}, ["Filename"]),
        ({"Filename": "x" * 256}, ["Filename"]),
        ({"Filename": "x", "Name": "x" * 256}, ["Name"]),
        ({"Filename": "x", "Version": "1" * 256, "Folder": "A"}, ["Version"]),
        ({"Filename": "x", "Description": "\ufffe"}, ["Description"]),
        ({"Filename": "x", "Folder": "A//B"}, ["Folder"]),
        ({"Filename": "a/b", "Version": "1" * 256}, ["Filename", "Version"]),
        ({"Name": "x"}, ["Filename"]),
    ],
)
def test_row_19_what_is_at_fault_is_named_as_it_was_sent_and_once(
    house: House, filled: dict[str, str], told: list[str]
) -> None:
    quoted = {name: requests.utils.quote(value) for name, value in filled.items()}
    answer = upload(house.client(), **quoted)
    answer.refused(400)
    assert re.findall(r"^(?:<p>)?(\w+): ", answer.text, re.MULTILINE) == told
    members = {name[0].lower() + name[1:]: value for name, value in filled.items()}
    if "\ufffe" not in filled.values():  # which no XML can carry
        body = soap("UploadResource", **members, content="eA==")
        answer = house.client().post(f"{PATH}/soap", body, "text/xml")
        (fault,) = checked(answer.body).iter(f"{NAMESPACE}DispatcherFault")
        sentence = fault.findtext(f"{NAMESPACE}Message") or ""
        in_soap = [name[0].lower() + name[1:] for name in told]
        assert re.findall(r"^(\w+): ", sentence, re.MULTILINE) == in_soap
    assert (resources(house), blobs(house)) == ([], 0)


def test_a_comment_for_the_audit_trail_is_never_cut(house: House) -> None:
    long = {"X_Audit_Comment": "x" * 1001}
    words = ("X-Audit-Comment", "longer than 1000 characters")
    upload(house.client(), Filename="x", **long).refused(400, *words)
    body = soap("UploadResource", filename="x", content="eA==")
    answer = house.client().send("POST", f"{PATH}/soap", body, "text/xml", **long)
    (fault,) = checked(answer.body).iter(f"{NAMESPACE}DispatcherFault")
    assert (answer.status, fault.findtext(f"{NAMESPACE}Code")) == (400, "InvalidRequest")
    assert all(word in answer.text for word in words)
    assert (resources(house), blobs(house)) == ([], 0)
    house.client(None).send("POST", UPLOAD, b"x", OCTETS, Filename="x", **long).refused(401)
    upload(house.client(), Filename="x", X_Audit_Comment="x" * 1000).json  # noqa: B018  # it holds the status
    with house.gateway.store.reading() as session:
        assert audit.page(session)[0].comment == "x" * 1000


@pytest.mark.parametrize("name", ["Ärger über 10 €.msi", "安装程序.exe", "100%.txt", "a'b.txt"])
@pytest.mark.parametrize("form", ["percent", "rfc 8187", "utf-8"])
def test_row_19_names_in_all_languages(house: House, name: str, form: str) -> None:
    quoted = requests.utils.quote(name)
    sent = {
        "percent": quoted,
        "rfc 8187": f"UTF-8''{quoted}",
        "utf-8": name.replace("%", "%25").encode().decode("latin-1"),
    }[form]
    with served.serving(house) as place:
        head = served.head(
            "POST", "x", Filename=sent, Authorization=LOGIN, Content_Length="1", Accept=JSON
        )
        answer = place.exchange(at_upload(head) + b"x")
    assert (answer.json["Filename"], answer.json["Name"]) == (name, name)


def test_row_19_a_name_in_latin_1(house: House) -> None:
    with served.serving(house) as place:
        head = served.head(
            "POST", "x", Filename="\xdcbung.txt", Authorization=LOGIN, Content_Length="1"
        )
        answer = place.exchange(at_upload(head) + b"x")
    assert answer.xml.findtext(f"{NAMESPACE}Filename") == "Übung.txt"


def test_row_19_the_same_name_in_the_same_folder_is_taken(house: House) -> None:
    client = house.client()
    first = upload(client, Filename="x.txt", Folder="A").json
    upload(client, Filename="X.TXT", Folder="a").refused(409, "another resource", "'a'")
    upload(client, Filename="other", Name="x.txt", Folder="A").refused(409)
    assert upload(client, Filename="x.txt").json["ID"] != first["ID"]
    assert len(resources(house)) == 2


# --- row 19: an edit -------------------------------------------------------------------------


def test_row_19_an_edit_with_a_file_makes_a_version(stored_house: House) -> None:
    client = stored_house.client()
    first = upload(client, b"one", Filename="x.txt", Description="first").json
    second = upload(client, b"two!", Guid=first["ID"], Filename="y.txt", Version="1.1").json
    assert (second["ID"], second["VersionNumber"], second["Version"]) == (first["ID"], 2, "1.1")
    assert (second["Filename"], second["Size"]) == ("y.txt", 4)
    assert (second["Name"], second["Description"]) == ("x.txt", "first")
    assert content(stored_house, first["ID"]) == b"two!"
    with stored_house.gateway.store.reading() as session:
        found = stored_house.gateway.resources.find(session, uuid.UUID(first["ID"]))
        versions = stored_house.gateway.resources.versions(session, found)
    assert [(each.number, each.file_name) for each in versions] == [(2, "y.txt"), (1, "x.txt")]


def test_row_19_an_edit_without_filename_needs_no_body(house: House) -> None:
    client = house.client()
    first = upload(client, b"one", Filename="x.txt", Folder="A", Description="first").json
    second = upload(client, b"", ID=first["ID"], Description="second", Name="Renamed").json
    assert (second["Description"], second["Name"], second["Folder"]) == ("second", "Renamed", "A")
    assert (second["Sha256"], second["VersionNumber"]) == (first["Sha256"], 2)
    third = upload(client, b"", Guid=first["ID"], Folder="", Description="").json
    assert (third["Folder"], third["Description"]) == ("", "")
    assert content(house, first["ID"]) == b"one"


def test_row_19_an_edit_with_a_body_and_no_filename_keeps_the_name(house: House) -> None:
    first = upload(house.client(), b"one", Filename="x.txt").json
    second = upload(house.client(), b"two", Guid=first["ID"]).json
    assert (second["Filename"], second["VersionNumber"]) == ("x.txt", 2)
    assert content(house, first["ID"]) == b"two"


def test_row_19_an_edit_with_filename_needs_a_body(house: House) -> None:
    first = upload(house.client(), Filename="x.txt").json
    refused = upload(house.client(), b"", Guid=first["ID"], Filename="y.txt")
    refused.refused(400, "content of the file 'y.txt' is missing")
    assert resources(house)[0].details.file_name == "x.txt"


@pytest.mark.parametrize("form", ["{{{}}}", "{}", " {{{}}} "])
def test_row_19_ids_as_clients_write_them(house: House, form: str) -> None:
    first = upload(house.client(), Filename="x.txt").json
    guid = form.format(str(uuid.UUID(first["ID"])))
    assert upload(house.client(), b"", Guid=guid, Name="New").json["Name"] == "New"


def test_row_19_an_unknown_id_is_no_new_resource(house: House) -> None:
    upload(house.client(), Filename="x", Guid=str(uuid.uuid4())).refused(404, "no resource")
    deleted = upload(house.client(), Filename="x").json["ID"]
    delete(house.client(), Guid=deleted)
    upload(house.client(), Filename="x", Guid=deleted).refused(404)
    assert (resources(house), blobs(house)) == ([], 1)


def test_row_19_an_edit_may_not_take_another_ones_name(house: House) -> None:
    upload(house.client(), Filename="a")
    other = upload(house.client(), Filename="b").json
    upload(house.client(), b"", Guid=other["ID"], Name="a").refused(409, "another resource")


def test_row_19_edits_racing_edits_are_all_kept(stored_house: House) -> None:
    guid = upload(stored_house.client(), Filename="x").json["ID"]
    wanted = [{"Name": "Renamed"}, {"Description": "Said"}, {"Version": "7"}, {"Folder": "F"}]

    def edit(number: int) -> Answer:
        data = f"content {number}".encode()
        return upload(stored_house.client(), data, Guid=guid, **wanted[number])

    with concurrent.futures.ThreadPoolExecutor() as pool:
        answers = list(pool.map(edit, range(len(wanted))))
    assert sorted(each.json["VersionNumber"] for each in answers) == [2, 3, 4, 5]
    (last,) = resources(stored_house)
    details = last.details
    shown = (details.name, details.comment, details.version_name, details.folder)
    assert shown == ("Renamed", "Said", "7", "F")


# --- row 20 ----------------------------------------------------------------------------------


def test_row_20_a_resource_is_deleted_by_guid_or_name(stored_house: House) -> None:
    client = stored_house.client()
    for given in ("Guid", "Name"):
        made = upload(client, Filename="x.txt").json
        gone = delete(client, **{given: made["ID"] if given == "Guid" else "X.txt"}).json
        assert gone == made
        assert resources(stored_house) == []
        delete(client, Guid=made["ID"]).refused(404)


def test_row_20_in_xml(house: House) -> None:
    made = upload(house.client(), Filename="x.txt").json
    answer = house.client().send("POST", DELETE, Guid=made["ID"])
    assert answer.xml.findtext(f"{NAMESPACE}ID") == made["ID"]


def test_row_20_the_history_stays(house: House) -> None:
    made = upload(house.client(), b"kept", Filename="x.txt").json
    (before,) = resources(house)
    delete(house.client(), Guid=made["ID"])
    assert b"".join(house.gateway.resources.content(before)) == b"kept"


def test_row_20_what_names_no_resource_is_refused(house: House) -> None:
    delete(house.client()).refused(400, "Guid", "is missing")
    delete(house.client(), Name="").refused(400, "is missing")
    delete(house.client(), Name="nothing").refused(404, "'nothing'")
    for folder in ("A", "B"):
        upload(house.client(), Filename="x", Folder=folder)
    delete(house.client(), Name="x").refused(409, "give the GUID")
    assert len(resources(house)) == 2


def fetching(house: House, reference: str) -> Module:
    module = Module(
        guid=uuid.uuid4(),
        name="Installer",
        folder="Tools",
        tasks=(
            Task(
                guid=uuid.uuid4(),
                name="Fetch",
                type="download_resource",
                settings={"resource": reference, "target": "x"},
            ),
        ),
    )
    house.gateway.catalog.save(module, MACHINE)
    return module


def test_row_19_a_name_that_is_used_stays(stored_house: House) -> None:
    client = stored_house.client()
    made = upload(client, Filename="x.txt").json
    module = fetching(stored_house, "X.TXT")
    rename = {"Guid": made["ID"], "Name": "y.txt"}
    refused = "cannot be renamed"
    upload(client, b"", **rename).refused(409, refused, "the module 'Installer'", "'Tools'")
    upload(client, b"new", Filename="y.txt", **rename).refused(409, refused)
    body = soap("UploadResource", guid=made["ID"], name="y.txt")
    assert "ResourceInUse" in client.post(f"{PATH}/soap", body, "text/xml").text
    agent = stored_house.agent()
    job = stored_house.engine.accept(stored_house.engine.order(module.guid, agent))
    stored_house.gateway.catalog.delete(module.guid, MACHINE)
    upload(client, b"", **rename).refused(409, str(job.guid), "has not ended")
    delete(client, Guid=made["ID"]).refused(409)
    stored_house.engine.run_all(agent)
    assert upload(client, b"", **rename).json["Name"] == "y.txt"


def test_what_uses_a_resource_is_named_only_to_who_may_read_it(stored_house: House) -> None:
    made = upload(stored_house.client(), Filename="x.txt").json
    fetching(stored_house, made["ID"])

    def create(session: Session) -> None:
        roles.create(session, "Files", {str(Node.RESOURCES): Access.MODIFY}, tenant=1)

    stored_house.gateway.store.unit_of_work(create)
    answer = delete(stored_house.login("somebody", "Files"), Guid=made["ID"])
    answer.refused(409, "in use by 1 of the modules and jobs")
    assert "Installer" not in answer.text


def test_row_20_a_resource_in_use_is_not_deleted(stored_house: House) -> None:
    client = stored_house.client()
    made = upload(client, Filename="x.txt").json
    module = fetching(stored_house, made["ID"])
    delete(client, Guid=made["ID"]).refused(409, "in use by the module 'Installer'", "'Tools'")
    agent = stored_house.agent()
    job = stored_house.engine.accept(stored_house.engine.order(module.guid, agent))
    stored_house.gateway.catalog.delete(module.guid, MACHINE)
    delete(client, Guid=made["ID"]).refused(409, str(job.guid), "has not ended")
    stored_house.engine.run_all(agent)
    assert delete(client, Guid=made["ID"]).status == 200
    assert resources(stored_house) == []


# --- rights, audit ---------------------------------------------------------------------------


def with_access(house: House, access: Access) -> Client:
    def create(session: Session) -> None:
        roles.create(session, "Particular", {str(Node.RESOURCES): access}, tenant=1)

    house.gateway.store.unit_of_work(create)
    return house.login("somebody", "Particular")


@pytest.mark.parametrize("access", [Access.UNSET, Access.READ, Access.DENY])
def test_1_3_to_change_resources_is_a_right(house: House, access: Access) -> None:
    made = upload(house.client(), Filename="x").json
    client = with_access(house, access)
    upload(client, Filename="y").refused(403, "modify", "Resources")
    delete(client, Guid=made["ID"]).refused(403, "modify", "Resources")
    answer = client.post(f"{PATH}/soap", soap("DeleteResource", guid=made["ID"]), "text/xml")
    assert "no modify access to Resources" in answer.text
    assert len(resources(house)) == 1


def test_1_3_with_the_right_it_can_be_done(house: House) -> None:
    client = with_access(house, Access.MODIFY)
    made = upload(client, Filename="x").json
    assert delete(client, Guid=made["ID"]).status == 200
    with house.gateway.store.reading() as session:
        entries = [each for each in audit.page(session) if each.object_guid]
    done = [(each.action, str(each.object_guid).upper()) for each in entries[:2]]
    guid = made["ID"].strip("{}")
    assert done == [("delete", guid), ("create", guid)]
    assert entries[1].after["sha256"] == made["Sha256"]


@pytest.mark.parametrize("address", [UPLOAD, DELETE, f"{PATH}/help", f"{PATH}/soap"])
def test_1_3_without_a_login_there_is_a_challenge(house: House, address: str) -> None:
    method = "GET" if address.endswith("help") else "POST"
    answer = house.client(None).send(method, address, b"x", OCTETS, Filename="x")
    if address.endswith("soap"):
        challenged_by_soap(answer)
    else:
        answer.refused(401)
    assert answer.headers["WWW-Authenticate"].startswith('Basic realm="')


def test_1_2_a_disabled_service_is_not_there(build: Build) -> None:
    house = build(web_api="DISABLED")
    upload(house.client(), Filename="x").refused(404, "disabled")


# --- over the wire ---------------------------------------------------------------------------


def at_upload(head: bytes) -> bytes:
    """A head of a request for the upload."""
    line, rest = head.split(b"\r\n", 1)
    method, _, version = line.split()
    return b" ".join((method, UPLOAD.encode(), version)) + b"\r\n" + rest


def request(**headers: str) -> bytes:
    given = {"Authorization": LOGIN, "Accept": JSON, "Filename": "x.bin"} | headers
    return at_upload(served.head("POST", "x", **given))


LARGE = bytes(range(256)) * 8192  # 2 MiB: more than stays in memory, several chunks of the store


def test_a_chunked_upload(house: House) -> None:
    with served.serving(house) as place, place.connected() as wire:
        wire.send(request(Transfer_Encoding="chunked"))
        for start in range(0, len(LARGE), 100_000):
            piece = LARGE[start : start + 100_000]
            wire.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        wire.send(b"0\r\n\r\n")
        made = wire.answer().json
        wire.send(request(Transfer_Encoding="chunked", Filename="empty") + b"0\r\n\r\n")
        wire.answer().refused(400, "content of the file 'empty' is missing")
    assert made["Size"] == len(LARGE)
    assert content(house, made["ID"]) == LARGE


def test_another_coding_of_the_body_is_refused_not_stored(house: House) -> None:
    with served.serving(house) as place, place.connected() as wire:
        wire.send(request(Transfer_Encoding="gzip, chunked") + b"2\r\n\x1f\x8b\r\n0\r\n\r\n")
        answer = wire.answer()
        assert (answer.status, answer.headers["Connection"]) == (501, "close")
        house.log.requests -= 1  # the front answers it without the application
    assert (resources(house), blobs(house)) == ([], 0)


def test_an_upload_without_any_length_is_one_without_content(house: House) -> None:
    with served.serving(house) as place:
        place.exchange(request()).refused(400, "is missing")


def test_7_1_expect_100_continue_is_answered_before_the_body(house: House) -> None:
    with served.serving(house) as place, place.connected() as wire:
        wire.send(request(Expect="100-continue", Content_Length=str(len(LARGE))))
        assert wire.answer().status == 100
        wire.send(LARGE)
        assert wire.answer().json["Size"] == len(LARGE)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": "Basic eDp5"}, 401),
        ({"Filename": "a/b"}, 400),
        ({"Guid": str(uuid.UUID(int=7))}, 404),
        ({"Content_Length": str(2**40)}, 413),
    ],
)
def test_what_cannot_be_is_refused_before_the_body_is_asked_for(
    house: House, headers: dict[str, str], status: int
) -> None:
    with served.serving(house) as place, place.connected() as wire:
        sent = {"Expect": "100-continue", "Content_Length": str(len(LARGE))} | headers
        wire.send(request(**sent))
        assert wire.answer().status == status


def test_http_1_0(house: House) -> None:
    head = request(Content_Length="3").replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    with served.serving(house) as place:
        assert place.exchange(head + b"abc").json["Size"] == 3


def test_a_header_that_is_sent_twice_is_refused(house: House) -> None:
    with served.serving(house) as place:
        for name in (b"Filename", b"filename", b"FileName"):
            twice = request(Content_Length="1").replace(
                b"Filename: x.bin\r\n", b"Filename: x.bin\r\n" + name + b": y.bin\r\n"
            )
            place.exchange(twice + b"x").refused(400, "Filename", "given twice")
    assert resources(house) == []


def test_a_route_of_its_own_limit_does_not_weaken_that_of_others(build: Build) -> None:
    house = build(limits={"body_bytes": 1000, "resource_bytes": 5000})
    with served.serving(house) as place:
        assert place.exchange(request(Content_Length="5000") + bytes(5000)).json["Size"] == 5000
        with place.connected() as wire:
            wire.send(request(Content_Length="5001", Filename="y"))
            wire.answer().refused(413, "5000 bytes")
        with place.connected() as wire:
            wire.send(request(Transfer_Encoding="chunked", Filename="y"))
            wire.send(b"%x\r\n%s\r\n" % (5001, bytes(5001)))
            wire.answer().refused(413, "5000 bytes")
        with place.connected() as wire:
            wire.send(
                served.head("POST", "jobs", Authorization=LOGIN, Content_Length="1001")
                + bytes(1001)
            )
            wire.answer().refused(413, "1000 bytes")
    upload(house.client(), bytes(5000), Filename="z").json  # noqa: B018  # it holds the status
    upload(house.client(), bytes(5001), Filename="w").refused(413)
    assert len(resources(house)) == 2


def test_a_client_that_goes_midway_leaves_nothing(house: House) -> None:
    with served.serving(house) as place:
        with socket.create_connection(("127.0.0.1", place.port)) as connection:
            house.log.requests += 1
            connection.sendall(request(Content_Length=str(len(LARGE))) + LARGE[:1_500_000])
        # The next one is answered, so the one before has been dealt with or never will be.
        assert place.exchange(request(Content_Length="1", Filename="y") + b"y").json["Size"] == 1
    assert [each.name for each in resources(house)] == ["y"]
    assert blobs(house) == 1
    assert list(house.gateway.folder.spool.iterdir()) == []


def test_a_disk_without_room_is_told_before_the_body_is_asked_for(build: Build) -> None:
    house = build(low_disk_bytes=2**60)
    with served.serving(house) as place, place.connected() as wire:
        wire.send(request(Expect="100-continue", Content_Length="5"))
        answer = wire.answer()
        answer.refused(503, "MiB")
        assert answer.headers["Retry-After"]
    assert (resources(house), blobs(house)) == ([], 0)


def test_other_requests_compute_while_an_upload_is_written(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is one turn to compute; an upload that waits for its pieces gives it up."""
    begun, go_on = threading.Event(), threading.Event()
    write = house.gateway.blobs._append

    def slowly(*given: Any) -> None:
        begun.set()
        assert go_on.wait(20)
        write(*given)

    monkeypatch.setattr(house.gateway.blobs, "_append", slowly)
    assert house.gateway.gate.width == 1
    with served.serving(house) as place, place.connected() as wire:
        wire.send(request(Content_Length=str(len(LARGE))) + LARGE)
        assert begun.wait(20)
        jobs = served.head("GET", "jobs", Authorization=LOGIN, Accept=JSON)
        assert place.exchange(jobs).json["PageCount"] == 0
        go_on.set()
        assert wire.answer().json["Size"] == len(LARGE)


# --- SOAP ------------------------------------------------------------------------------------

ENVELOPES = {
    "1.1": "http://schemas.xmlsoap.org/soap/envelope/",
    "1.2": "http://www.w3.org/2003/05/soap-envelope",
}


def soap(operation: str, version: str = "1.1", /, **members: str) -> str:
    filled = "".join(f"<{name}>{value}</{name}>" for name, value in members.items())
    return (
        f'<s:Envelope xmlns:s="{ENVELOPES[version]}"><s:Body>'
        f'<{operation} xmlns="{resource_messages.NAMESPACE}">{filled}</{operation}>'
        "</s:Body></s:Envelope>"
    )


@contextlib.contextmanager
def zeep_clients(house: House, form: str) -> Iterator[list[Any]]:
    session = requests.Session()
    session.auth = ADMIN
    make: Any = zeep  # it has no types
    with served.serving(house) as place:
        address = f"http://127.0.0.1:{place.port}{PATH}/soap?{form}"
        client = make.Client(address, transport=make.Transport(session=session))
        house.log.requests += 1
        (service,) = client.wsdl.services.values()
        yield [client.bind(service.name, port) for port in service.ports]


@pytest.mark.parametrize("form", ["wsdl", "wsdl=1.2", "wsdl=all"])
def test_5_zeep_uploads_edits_and_deletes(house: House, form: str) -> None:
    with zeep_clients(house, form) as ports:
        assert len(ports) == (2 if form == "wsdl=all" else 1)
        for port in ports:
            made = port.UploadResource(
                filename="Ärger.txt", folder="A/B", parseContent=True, content=b"\0\xff one"
            )
            assert (made.Name, made.Folder, made.ParseContent) == ("Ärger.txt", "A/B", True)
            assert (made.Size, made.VersionNumber) == (6, 1)
            assert content(house, made.ID) == b"\0\xff one"
            edited = port.UploadResource(guid=made.ID, description="said", version="1.1")
            assert (edited.Description, edited.Version) == ("said", "1.1")
            assert (edited.VersionNumber, edited.Sha256) == (2, made.Sha256)
            again = port.UploadResource(guid=made.ID, content=b"two")
            assert (again.VersionNumber, content(house, made.ID)) == (3, b"two")
            gone = port.DeleteResource(guid=made.ID)
            assert (gone.ID, resources(house)) == (made.ID, [])
            house.log.requests += 4


@pytest.mark.parametrize("version", ENVELOPES)
@pytest.mark.parametrize(
    ("operation", "members", "code"),
    [
        ("UploadResource", {}, "InvalidArgument"),
        ("UploadResource", {"filename": "x"}, "InvalidArgument"),
        ("UploadResource", {"filename": "a/b", "content": "eA=="}, "InvalidResource"),
        ("UploadResource", {"filename": "x", "content": "!"}, "InvalidMessage"),
        ("UploadResource", {"guid": str(uuid.UUID(int=9))}, "ResourceNotFound"),
        ("UploadResource", {"filename": "taken", "content": "eA=="}, "NameTaken"),
        ("DeleteResource", {}, "InvalidArgument"),
        ("DeleteResource", {"name": "none"}, "ResourceNotFound"),
        ("DeleteResource", {"name": "taken"}, "ResourceInUse"),
        ("GetJobs", {}, "UnknownOperation"),
    ],
)
def test_5_a_mistake_is_a_typed_fault_in_the_services_own_namespace(
    house: House, version: str, operation: str, members: dict[str, str], code: str
) -> None:
    upload(house.client(), Filename="taken")
    fetching(house, "taken")
    body = soap(operation, version, **members)
    answer = house.client().post(f"{PATH}/soap", body, "text/xml")
    assert answer.status == (400 if version == "1.2" else 500)
    (told,) = checked(answer.body).iter(f"{NAMESPACE}DispatcherFault")
    assert told.findtext(f"{NAMESPACE}Code") == code
    assert len(resources(house)) == 1


def test_5_operations_of_the_other_service_are_not_here(house: House) -> None:
    body = soap("UploadResource", filename="x", content="eA==")
    answer = house.client().post("soap", body, "text/xml")
    assert "UnknownOperation" in answer.text


def test_5_what_soap_has_made_rest_edits(house: House) -> None:
    answer = house.client().post(
        f"{PATH}/soap", soap("UploadResource", filename="x", content="b25l"), "text/xml"
    )
    (made,) = checked(answer.body).iter(f"{NAMESPACE}UploadResourceResult")
    guid = made.findtext(f"{NAMESPACE}ID") or ""
    assert upload(house.client(), b"two", Guid=guid).json["VersionNumber"] == 2


def test_5_the_limit_of_messages_holds(build: Build) -> None:
    house = build(limits={"body_bytes": 1000})
    body = soap("UploadResource", filename="x", content="eHh4" * 300)
    answer = house.client().post(f"{PATH}/soap", body, "text/xml")
    assert (answer.status, "RequestTooLong" in answer.text) == (413, True)


def test_the_answer_fits_the_published_schema(house: House, tmp_path: Path) -> None:
    """Above 2 GiB, too: the size has 64 bits."""
    written = tmp_path / "resource.xsd"
    written.write_bytes(house.client().get(f"{PATH}/soap?xsd").body)
    schema = etree.XMLSchema(etree.parse(written))
    answer = house.client().send("POST", UPLOAD, b"x", OCTETS, Filename="x")
    document = etree.fromstring(answer.body)
    schema.assertValid(document)
    size = document.find(f"{NAMESPACE}Size")
    assert size is not None
    size.text = str(5 * 2**30)
    schema.assertValid(document)
    assert json.loads(upload(house.client(), b"x", Filename="y").body)["Size"] == 1
