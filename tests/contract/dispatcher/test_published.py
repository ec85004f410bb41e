"""The published contract: files, code and what is served are the same bytes."""

import inspect
import re
from typing import Any

import pytest
import requests
import zeep
from lxml import etree

from gateway.surfaces.dispatcher import messages, operations, published, wsdl
from gateway.wire.messages import ListOf, Message
from tests.contract.dispatcher import served
from tests.contract.dispatcher.conftest import Build
from tests.contract.dispatcher.house import ADMIN, NAMESPACE, Client, House, checked

ADDRESS = "http://localhost/Dispatcher/SchedulingService/soap"
QUERIES = {
    "wsdl": "scheduling.wsdl",
    "WSDL": "scheduling.wsdl",
    "singleWsdl": "scheduling.wsdl",
    "wsdl=1.1": "scheduling.wsdl",
    "wsdl=1.2": "scheduling.soap12.wsdl",
    "wsdl=all": "scheduling.all.wsdl",
    "xsd": "scheduling.xsd",
    "xsd=scheduling.xsd": "scheduling.xsd",
}


@pytest.mark.parametrize("name", sorted({*published.DOCUMENTS.values(), published.SCHEMA}))
def test_the_files_are_what_the_code_gives(name: str) -> None:
    """If this fails: ``python -m gateway.surfaces.dispatcher.published``."""
    assert (published.FOLDER / name).read_bytes() == published.documents()[name]


@pytest.mark.parametrize(("query", "name"), QUERIES.items())
def test_the_files_are_served_as_they_are_but_for_the_address(
    client: Client, query: str, name: str
) -> None:
    answer = client.send("GET", f"soap?{query}", Host="gateway.example:8443")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/xml; charset=utf-8")
    here = b"http://gateway.example:8443/Dispatcher/SchedulingService/soap"
    file = (published.FOLDER / name).read_bytes()
    assert answer.body == file.replace(wsdl.ADDRESS.encode(), here)
    assert (here in answer.body) is name.endswith(".wsdl")


def test_the_public_address_of_the_settings_wins(build: Build) -> None:
    house = build(public_url="https://proxy.example/base/")
    for form, ports in (("wsdl", 1), ("wsdl=all", 2)):
        found = re.findall(r'location="([^"]*)"', house.client().get(f"soap?{form}").text)
        public = "https://proxy.example/base/Dispatcher/SchedulingService/soap"
        assert found == [public] * ports


@pytest.mark.parametrize("query", ["wsdl=2.0", "xsl", "disco"])
def test_what_is_not_published_is_refused(client: Client, query: str) -> None:
    client.get(f"soap?{query}").refused(405)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("one.example", "http://one.example"),
        ("one.example:80", "http://one.example"),
        ("10.0.0.1:8080", "http://10.0.0.1:8080"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("RES_DISPATCHER", "http://RES_DISPATCHER"),
        ("RES_DISPATCHER:8080", "http://RES_DISPATCHER:8080"),
    ],
)
def test_each_client_gets_the_address_that_it_has_asked(
    client: Client, host: str, address: str
) -> None:
    """Spyne gives everybody the one that the first client asked, for ever."""
    other = "http://other.example/Dispatcher"
    assert other in client.send("GET", "soap?wsdl", Host="other.example").text
    answer = client.send("GET", "soap?wsdl", Host=host)
    assert f'location="{address}/Dispatcher/SchedulingService/soap"' in answer.text
    assert other not in answer.text


@pytest.mark.parametrize(
    "host", ['a"b', "a<b>", "ä.example", "a&b", "", "a b", "a/b", "u@a", "a:b", "a:123456", "[x]"]
)
def test_a_hostile_host_is_refused(client: Client, host: str) -> None:
    client.send("GET", "soap?wsdl", Host=host).refused(400, "Host")
    client.send("GET", "help", Host=host).refused(400, "Host")


def test_the_schema_is_usable_alone(house: House) -> None:
    etree.XMLSchema(etree.fromstring(house.client().get("soap?xsd").body))


# --- the rules that let old stacks import it ------------------------------------------------

SPACES = {
    "w": "http://schemas.xmlsoap.org/wsdl/",
    "xs": "http://www.w3.org/2001/XMLSchema",
    "s11": "http://schemas.xmlsoap.org/wsdl/soap/",
    "s12": "http://schemas.xmlsoap.org/wsdl/soap12/",
}
VERSIONS = {
    "scheduling.wsdl": ["s11"],
    "scheduling.soap12.wsdl": ["s12"],
    "scheduling.all.wsdl": ["s11", "s12"],
}
FILES = pytest.mark.parametrize("name", VERSIONS)


def document(name: str) -> etree._Element:
    return etree.parse(published.FOLDER / name).getroot()


def values(root: etree._Element, path: str) -> list[str]:
    found = root.xpath(path, namespaces=SPACES)
    assert isinstance(found, list)
    return [str(value) for value in found]


@FILES
def test_there_is_one_schema_and_it_is_the_xsd(name: str) -> None:
    """KDSoap downloads what a schema imports; Axis and JAX-WS warn of types of other namespaces."""
    (schema,) = document(name).iter(f"{{{SPACES['xs']}}}schema")
    assert schema.get("targetNamespace") == NAMESPACE
    assert values(schema, "//xs:import | //xs:include | //w:import") == []
    alone = document(published.SCHEMA)

    def shape(root: etree._Element) -> list[tuple[Any, ...]]:
        return [(each.tag, dict(each.attrib), (each.text or "").strip()) for each in root.iter()]

    assert shape(schema) == shape(alone)
    kinds = set(values(schema, ".//@type | .//@base | .//@ref"))
    named = {f"tns:{each}" for each in values(schema, "xs:simpleType/@name | xs:complexType/@name")}
    assert {kind for kind in kinds if not kind.startswith("xs:")} <= named


@FILES
def test_the_document_is_literal_and_wrapped_as_stacks_want_it(name: str) -> None:
    root = document(name)
    wrappers = f"w:message[@name != '{messages.DispatcherFault.wire_name}']"
    # .NET unwraps only parts of this name.
    assert set(values(root, f"{wrappers}/w:part/@name")) == {"parameters"}
    assert values(root, f"{wrappers}[count(w:part) != 1]") == []
    assert values(root, "//@parameterOrder") == []
    assert set(values(root, "//w:binding//@style")) == {"document"}
    assert set(values(root, "//w:binding//@use")) == {"literal"}
    # wsimport makes a JAXBElement of each, and SOAP::WSDL dies of a header.
    assert values(root, "//@nillable") == []
    assert values(root, "//s11:header | //s12:header") == []
    # gSOAP writes _USCORE for each.
    assert [each for each in values(root, "//@name | //@element | //@type") if "_" in each] == []


@FILES
def test_the_service_is_last_with_a_port_for_each_version(name: str) -> None:
    root = document(name)
    assert [etree.QName(each).localname for each in root][-1] == "service"
    used = VERSIONS[name]
    assert [len(values(root, f"w:service/w:port/{each}:address")) for each in used] == [1] * len(
        used
    )
    assert len(values(root, "w:service/w:port")) == len(used)
    assert set(values(root, "//@location")) == {ADDRESS}


@FILES
def test_no_namespace_is_declared_for_nothing(name: str) -> None:
    """The tool of gSOAP takes a declared soap12 prefix for a SOAP 1.2 service."""
    root = document(name)
    tags = {etree.QName(each).namespace for each in root.iter("*")}
    assert set(root.nsmap.values()) == tags | {NAMESPACE}
    assert all(each.nsmap == root.nsmap for each in root.iter("*"))
    other = {"s11", "s12"} - set(VERSIONS[name])
    assert not tags & {SPACES[each] for each in other}


@FILES
def test_every_operation_has_its_action_its_fault_and_its_result(name: str) -> None:
    root = document(name)
    names = [operation.name for operation in operations.OPERATIONS]
    assert values(root, "w:portType/w:operation/@name") == names
    # Relative ones are resolved against the address of the document by some stacks.
    actions = [f"{NAMESPACE}/{each}" for each in names]
    assert values(root, "//@soapAction") == actions * len(VERSIONS[name])
    assert values(root, "w:portType/w:operation[not(w:fault)]") == []
    assert values(root, "w:binding/w:operation[not(w:fault/*)]") == []
    for each in names:
        result = f"//xs:complexType[@name='{each}Response']//xs:element"
        assert values(root, f"{result}/@name") == [f"{each}Result"]
        # .NET would add "out bool ...Specified" to a method whose result may be left out.
        assert values(root, f"{result}/@minOccurs") == []
        assert values(root, f"{result}/@maxOccurs") == []


@pytest.mark.parametrize("form", ["wsdl", "wsdl=1.2", "wsdl=all", "singleWsdl"])
def test_zeep_calls_every_port_of_every_form(house: House, form: str) -> None:
    session = requests.Session()
    session.auth = ADMIN
    make: Any = zeep  # it has no types
    with served.serving(house) as place:
        client = make.Client(f"{place.url}/soap?{form}", transport=make.Transport(session=session))
        house.log.requests += 1
        (service,) = client.wsdl.services.values()
        assert len(service.ports) == (2 if form == "wsdl=all" else 1)
        for port in service.ports:
            page = client.bind(service.name, port).GetJobs(page=3)
            assert (page.CurrentPage, page.PageCount) == (3, 0)
            house.log.requests += 1


# --- one declaration ------------------------------------------------------------------------


def classes() -> dict[str, type[Message]]:
    found = vars(messages).values()
    declared = [each for each in found if inspect.isclass(each) and issubclass(each, Message)]
    return {each.wire_name: each for each in declared if each is not Message}


def named(content: Any) -> str:
    """The type that the schema gives to a content."""
    if isinstance(content, ListOf):
        return f"tns:ArrayOf{content.item}"
    if inspect.isclass(content):
        return f"tns:{content.wire_name}"
    return f"tns:{content.type_name}" if content.type_name else f"xs:{content.xsd}"


def test_every_type_of_the_schema_is_a_message_an_operation_or_a_list() -> None:
    """A message that was declared a second time, anywhere, would differ from the first some day."""
    root = document(published.SCHEMA)
    found = {each.get("name", ""): each for each in root.iter(f"{{{SPACES['xs']}}}complexType")}
    declared = classes()
    wrappers = {operation.name: operation for operation in operations.OPERATIONS}
    lists = {name for name in found if name.startswith("ArrayOf")}
    answers = {f"{name}Response" for name in wrappers}
    assert set(found) == set(declared) | set(wrappers) | answers | lists
    for name, message in declared.items():
        shown = zip(
            values(found[name], ".//xs:element/@name"),
            values(found[name], ".//xs:element/@type"),
            strict=True,
        )
        assert list(shown) == [(each.name, named(each.content)) for each in message.members]
    for name, operation in wrappers.items():
        shown = zip(
            values(found[name], ".//xs:element/@name"),
            values(found[name], ".//xs:element/@type"),
            strict=True,
        )
        assert list(shown) == [
            (each.soap_name, named(each.content)) for each in operation.arguments
        ]
        (result,) = values(found[f"{name}Response"], ".//xs:element/@type")
        assert result == named(operation.answer)


def test_no_module_but_one_declares_messages() -> None:
    """REST in XML and JSON, SOAP and the help page read and write the same classes."""

    def heirs(kind: type[Message]) -> set[type[Message]]:
        return {kind}.union(*(heirs(each) for each in kind.__subclasses__()))

    ours = {each for each in heirs(Message) - {Message} if each.__module__.startswith("gateway.")}
    assert ours == set(classes().values())


def test_the_samples_of_the_help_page_are_valid_and_hold_every_member(client: Client) -> None:
    for operation in operations.OPERATIONS:
        page = client.get_xml(f"help/operations/{operation.name}").text
        samples = [re.sub("&(lt|gt|#34|amp);", _unescaped, each) for each in _samples(page)]
        documents = [each for each in samples if each.startswith("<")]
        assert documents
        for each in documents:
            root = checked(each.encode())
            message = classes()[etree.QName(root).localname]
            written = [etree.QName(child).localname for child in root]
            assert written == [member.name for member in message.members]


def _samples(page: str) -> list[str]:
    return re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL)


def _unescaped(match: re.Match[str]) -> str:
    return {"lt": "<", "gt": ">", "#34": '"', "amp": "&"}[match.group(1)]
