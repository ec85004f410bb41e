"""The published contract keeps the rules that let old stacks import it."""

import os
import pathlib
import subprocess
import sys

import pytest
from lxml import etree

from gateway.surfaces.dispatcher import messages, soap, wsdl
from gateway.surfaces.dispatcher.soap_contract import SoapVersion
from gateway.wire import samples, xml_messages
from gateway.wire.messages import Message
from tests.unit.surfaces.dispatcher import toy
from tests.unit.surfaces.dispatcher.toy import envelope

ROOT = pathlib.Path(__file__).parents[4]
SPACES = {
    "w": "http://schemas.xmlsoap.org/wsdl/",
    "xs": "http://www.w3.org/2001/XMLSchema",
    "s11": "http://schemas.xmlsoap.org/wsdl/soap/",
    "s12": "http://schemas.xmlsoap.org/wsdl/soap12/",
}
FORMS = pytest.mark.parametrize("form", sorted(wsdl.FORMS))


@pytest.fixture(scope="module")
def service() -> soap.SoapService:
    return toy.service(toy.Recorder())


def published(service: soap.SoapService, form: str) -> etree._Element:
    return etree.fromstring(wsdl.published_wsdl(service, wsdl.FORMS[form]))


def values(root: etree._Element, path: str) -> list[str]:
    found = root.xpath(path, namespaces=SPACES)
    assert isinstance(found, list)
    return [str(value) for value in found]


def test_plain_wsdl_is_soap_11_only() -> None:
    assert wsdl.FORMS[""] == (SoapVersion.V11,)
    assert wsdl.FORMS["all"] == (SoapVersion.V11, SoapVersion.V12)


@FORMS
def test_each_version_has_a_binding_and_a_port(service: soap.SoapService, form: str) -> None:
    root = published(service, form)
    names = [f"ToyServiceSoap{each.label.replace('.', '')}" for each in wsdl.FORMS[form]]
    assert values(root, "w:binding/@name") == names
    assert values(root, "w:service/w:port/@binding") == [f"tns:{name}" for name in names]
    assert values(root, "//@location") == [wsdl.address("ToyService")] * len(names)


@FORMS
def test_namespaces_of_the_other_version_are_not_declared(
    service: soap.SoapService, form: str
) -> None:
    """The tool of gSOAP takes a declared soap12 prefix for a SOAP 1.2 service."""
    spaces = set(published(service, form).nsmap.values())
    wanted = {SPACES["s11" if each is SoapVersion.V11 else "s12"] for each in wsdl.FORMS[form]}
    assert spaces == wanted | {SPACES["w"], SPACES["xs"], toy.NAMESPACE}


@FORMS
def test_the_rules_for_old_stacks(service: soap.SoapService, form: str) -> None:
    root = published(service, form)
    assert values(root, "//xs:schema/@targetNamespace") == [toy.NAMESPACE]
    assert values(root, "//xs:import") == []
    assert values(root, "//@nillable") == []
    assert values(root, "//@parameterOrder") == []
    assert values(root, "//s11:header | //s12:header") == []
    fault = messages.DispatcherFault.wire_name
    parts = values(root, f"w:message[@name != '{fault}']/w:part/@name")
    assert set(parts) == {"parameters"}
    assert [name for name in values(root, "//@name") if "_" in name] == []
    actions = values(root, "//@soapAction")
    assert f"{toy.NAMESPACE}/ScheduleJob" in actions
    assert all(action.startswith("urn:") for action in actions)
    assert etree.QName(root[-1]).localname == "service"


def test_every_operation_declares_the_typed_fault(service: soap.SoapService) -> None:
    root = published(service, "all")
    operations = values(root, "w:portType/w:operation/@name")
    assert operations == [
        "ScheduleJob", "ListByStatus", "Upload", "AbortJob", "Refuse", "Fail", "Wrong",
    ]  # fmt: skip
    faults = values(root, "w:portType/w:operation/w:fault/@message")
    assert faults == ["tns:DispatcherFault"] * len(operations)
    bound = values(root, "w:binding/w:operation/w:fault/*/@name")
    assert bound == ["DispatcherFault"] * 2 * len(operations)


def test_results_are_required_and_arguments_are_not(service: soap.SoapService) -> None:
    root = published(service, "")
    assert values(root, "//xs:element[@name='ScheduleJobResult']/@minOccurs") == []
    assert values(root, "//xs:complexType[@name='ScheduleJob']//@minOccurs") == ["0", "0"]
    assert values(root, "//xs:complexType[@name='ScheduleJob']//xs:element/@name") == [
        "job",
        "note",
    ]


def test_what_is_declared_is_documented(service: soap.SoapService) -> None:
    root = published(service, "")
    assert "Schedules a job." in values(root, "//w:documentation/text()")
    assert "The value; the only member clients change." in values(root, "//text()")


def test_types_are_those_of_the_messages(service: soap.SoapService) -> None:
    root = published(service, "")
    names = values(root, "//xs:complexType[@name='Job']//xs:element/@name")
    assert names == [each.name for each in messages.Job.members]
    statuses = values(root, "//xs:simpleType[@name='JobStatusType']//@value")
    assert statuses == [each.name for each in messages.JobStatusType]
    assert values(root, "//xs:complexType[@name='JobWhat']//xs:element[@name='ID']/@type") == [
        "tns:Guid"
    ]


@pytest.mark.parametrize("message", [messages.Job, messages.JobWhat, messages.DispatcherFault])
def test_answers_of_rest_are_valid_against_the_schema(
    service: soap.SoapService, message: type[Message]
) -> None:
    schema = etree.XMLSchema(etree.fromstring(wsdl.published_xsd(service)))
    document = xml_messages.write(samples.sample(message), messages.NAMESPACE)
    schema.assertValid(etree.fromstring(document))
    items = xml_messages.write_list(messages.JobWhat, [messages.JobWhat()], messages.NAMESPACE)
    schema.assertValid(etree.fromstring(items))


@pytest.mark.parametrize("body", ["<ListByStatus/>", "<ScheduleJob/>", "<Upload/>", "<Fail/>"])
def test_answers_of_soap_are_valid_against_the_schema(service: soap.SoapService, body: str) -> None:
    schema = etree.XMLSchema(etree.fromstring(wsdl.published_xsd(service)))
    root = etree.fromstring(service.call(envelope(body), None, None, "R-1").body)
    entry = next(root.iter(f"{{{toy.NAMESPACE}}}*"))
    schema.assertValid(etree.ElementTree(entry))


def test_the_address_is_replaced_and_nothing_else(service: soap.SoapService) -> None:
    """Spyne keeps the address of whoever asks first, for ever."""
    document = wsdl.published_wsdl(service, wsdl.FORMS["all"])
    moved = wsdl.with_address(document, "ToyService", 'https://h/"x"?a=1&b=<2>')
    assert values(etree.fromstring(moved), "//@location") == ['https://h/"x"?a=1&b=<2>'] * 2
    assert wsdl.with_address(document, "ToyService", wsdl.address("ToyService")) == document
    assert wsdl.published_wsdl(service, wsdl.FORMS["all"]) == document


def test_the_bytes_are_the_same_in_every_process(service: soap.SoapService) -> None:
    program = (
        "import sys; from tests.unit.surfaces.dispatcher import toy;"
        "from gateway.surfaces.dispatcher import wsdl;"
        "sys.stdout.buffer.write("
        "wsdl.published_wsdl(toy.service(toy.Recorder()), wsdl.FORMS['all']))"
    )
    expected = wsdl.published_wsdl(service, wsdl.FORMS["all"])
    for seed in ("0", "1", "4242"):
        made = subprocess.run(
            [sys.executable, "-c", program],
            check=True,
            capture_output=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        assert made.stdout == expected
