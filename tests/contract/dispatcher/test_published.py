"""The published contract: files, code and what is served are the same bytes."""

import inspect
import re
from typing import Any

import pytest
import requests
import zeep
from lxml import etree

from gateway.surfaces.dispatcher import messages, published, resource_messages, wsdl
from gateway.surfaces.dispatcher.service import RESOURCES, SCHEDULING, SERVICES, Service
from gateway.wire.messages import ListOf, Message
from tests.contract.dispatcher import served
from tests.contract.dispatcher.conftest import Build
from tests.contract.dispatcher.house import ADMIN, Client, House, checked

QUERIES = {
    "wsdl": "{}.wsdl",
    "WSDL": "{}.wsdl",
    "singleWsdl": "{}.wsdl",
    "wsdl=1.1": "{}.wsdl",
    "wsdl=1.2": "{}.soap12.wsdl",
    "wsdl=all": "{}.all.wsdl",
    "xsd": "{}.xsd",
    "xsd=anything.xsd": "{}.xsd",
}
EACH_SERVICE = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)


def test_the_files_are_what_the_code_gives() -> None:
    """If this fails: ``python -m gateway.surfaces.dispatcher.published``."""
    made = published.documents()
    files = [*published.FOLDER.glob("*.wsdl"), *(published.FOLDER / "samples").iterdir()]
    assert {str(path.relative_to(published.FOLDER)) for path in files} <= set(made)
    for name, content in made.items():
        assert (published.FOLDER / name).read_bytes() == content, name


@EACH_SERVICE
@pytest.mark.parametrize(("query", "file_name"), QUERIES.items())
def test_the_files_are_served_as_they_are_but_for_the_address(
    client: Client, service: Service, query: str, file_name: str
) -> None:
    name = file_name.format(service.stem)
    answer = client.send("GET", f"{service.path}/soap?{query}", Host="gateway.example:8443")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/xml; charset=utf-8")
    here = f"http://gateway.example:8443{service.path}/soap".encode()
    file = (published.FOLDER / name).read_bytes()
    assert answer.body == file.replace(wsdl.address(service.name).encode(), here)
    assert (here in answer.body) is name.endswith(".wsdl")


def test_the_public_address_of_the_settings_wins(build: Build) -> None:
    house = build(public_url="https://proxy.example/base/")
    for form, ports in (("wsdl", 1), ("wsdl=all", 2)):
        found = re.findall(r'location="([^"]*)"', house.client().get(f"soap?{form}").text)
        public = "https://proxy.example/base/Dispatcher/SchedulingService/soap"
        assert found == [public] * ports


@pytest.mark.parametrize("query", ["wsdl=2.0", "xsl", "disco"])
def test_what_is_not_published_is_refused(client: Client, query: str) -> None:
    client.get(f"soap?{query}").refused(404)


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


@EACH_SERVICE
def test_the_schema_is_usable_alone(house: House, service: Service) -> None:
    etree.XMLSchema(etree.fromstring(house.client().get(f"{service.path}/soap?xsd").body))


# --- the rules that let old stacks import it ------------------------------------------------

SPACES = {
    "w": "http://schemas.xmlsoap.org/wsdl/",
    "xs": "http://www.w3.org/2001/XMLSchema",
    "s11": "http://schemas.xmlsoap.org/wsdl/soap/",
    "s12": "http://schemas.xmlsoap.org/wsdl/soap12/",
}
FORMS = {"": ["s11"], "1.2": ["s12"], "all": ["s11", "s12"]}
VERSIONS = {each.documents[form]: used for each in SERVICES for form, used in FORMS.items()}
SERVICE_OF = {name: each for each in SERVICES for name in each.documents.values()}
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
    assert schema.get("targetNamespace") == SERVICE_OF[name].namespace
    assert values(schema, "//xs:import | //xs:include | //w:import") == []
    alone = document(SERVICE_OF[name].schema)

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
    assert set(values(root, "//@location")) == {wsdl.address(SERVICE_OF[name].name)}


@FILES
def test_no_namespace_is_declared_for_nothing(name: str) -> None:
    """The tool of gSOAP takes a declared soap12 prefix for a SOAP 1.2 service."""
    root = document(name)
    tags = {etree.QName(each).namespace for each in root.iter("*")}
    assert set(root.nsmap.values()) == tags | {SERVICE_OF[name].namespace}
    assert all(each.nsmap == root.nsmap for each in root.iter("*"))
    other = {"s11", "s12"} - set(VERSIONS[name])
    assert not tags & {SPACES[each] for each in other}


@FILES
def test_every_operation_has_its_action_its_fault_and_its_result(name: str) -> None:
    root = document(name)
    names = [operation.name for operation in SERVICE_OF[name].operations]
    assert values(root, "w:portType/w:operation/@name") == names
    # Relative ones are resolved against the address of the document by some stacks.
    actions = [f"{SERVICE_OF[name].namespace}/{each}" for each in names]
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


def classes(service: Service) -> dict[str, type[Message]]:
    module = {SCHEDULING: messages, RESOURCES: resource_messages}[service]
    found = (*vars(module).values(), messages.DispatcherFault)
    declared = [each for each in found if inspect.isclass(each) and issubclass(each, Message)]
    return {each.wire_name: each for each in declared if each is not Message}


def named(content: Any) -> str:
    """The type that the schema gives to a content."""
    if isinstance(content, ListOf):
        return f"tns:ArrayOf{content.item}"
    if inspect.isclass(content):
        return f"tns:{content.wire_name}"
    return f"tns:{content.type_name}" if content.type_name else f"xs:{content.xsd}"


@EACH_SERVICE
def test_every_type_of_the_schema_is_a_message_an_operation_or_a_list(service: Service) -> None:
    """A message that was declared a second time, anywhere, would differ from the first some day."""
    root = document(service.schema)
    found = {each.get("name", ""): each for each in root.iter(f"{{{SPACES['xs']}}}complexType")}
    declared = classes(service)
    wrappers = {operation.name: operation for operation in service.operations}
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


def test_no_module_but_two_declare_messages() -> None:
    """REST in XML and JSON, SOAP and the help page read and write the same classes."""

    def heirs(kind: type[Message]) -> set[type[Message]]:
        return {kind}.union(*(heirs(each) for each in kind.__subclasses__()))

    ours = {each for each in heirs(Message) - {Message} if each.__module__.startswith("gateway.")}
    assert ours == {each for service in SERVICES for each in classes(service).values()}


@EACH_SERVICE
def test_the_samples_of_the_help_page_are_valid_and_hold_every_member(
    client: Client, service: Service
) -> None:
    for operation in service.operations:
        page = client.get_xml(f"{service.path}/help/operations/{operation.name}").text
        samples = [re.sub("&(lt|gt|#34|#39|amp);", _unescaped, each) for each in _samples(page)]
        assert samples
        for each in samples:
            root = checked(each.encode())
            if etree.QName(root).localname.startswith("ArrayOf"):
                (root,) = root
            message = classes(service)[etree.QName(root).localname]
            written = [etree.QName(child).localname for child in root]
            assert written == [member.name for member in message.members]


def _samples(page: str) -> list[str]:
    return re.findall(r'<pre class="[a-z]+-xml">(.*?)</pre>', page, re.DOTALL)


def _unescaped(match: re.Match[str]) -> str:
    return {"lt": "<", "gt": ">", "#34": '"', "#39": "'", "amp": "&"}[match.group(1)]
