"""One table of operations gives REST, SOAP, WSDL and help; no two routes of all surfaces clash."""

import itertools
import re

import werkzeug.routing
from lxml import etree

from gateway.surfaces.dispatcher import published
from gateway.surfaces.dispatcher.operation import Place
from gateway.surfaces.dispatcher.service import SERVICES
from tests.contract.dispatcher.house import House

WSDL = "{http://schemas.xmlsoap.org/wsdl/}"


def rules(house: House) -> list[werkzeug.routing.Rule]:
    return list(house.app.url_map.iter_rules())


def test_every_operation_has_a_rest_route_a_soap_operation_and_a_help_page(house: House) -> None:
    routes = {(rule.endpoint, rule.rule) for rule in rules(house)}
    for service in SERVICES:
        root = etree.fromstring(published.documents()[service.documents[""]])
        in_soap = [each.get("name") for each in root.iterfind(f"{WSDL}portType/{WSDL}operation")]
        assert in_soap == [operation.name for operation in service.operations]
        for operation in service.operations:
            lower = re.sub(r"[^{}]+(?=\{|$)", lambda found: found[0].lower(), operation.template)
            template = re.sub(r"\{(\w+)\}", r"<\1>", lower)
            assert (f"dispatcher.{operation.name}", f"{service.rules}/{template}") in routes
            page = f"{service.path}/help/operations/{operation.name}"
            assert house.client().get(page).status == 200


def test_names_of_arguments_are_unique_and_paths_are_complete() -> None:
    operations = [operation for service in SERVICES for operation in service.operations]
    assert len({operation.name for operation in operations}) == len(operations)
    for operation in operations:
        for names in (
            [argument.name for argument in operation.arguments],
            [argument.soap_name.lower() for argument in operation.arguments],
            [
                name.lower()
                for argument in operation.arguments
                if argument.place not in (Place.BODY, Place.CONTENT)
                for name in (argument.rest_name, *argument.also)
            ],
        ):
            assert len(names) == len(set(names)), operation.name
        in_path = [a.rest_name for a in operation.arguments if a.place is Place.PATH]
        assert re.findall(r"\{(\w+)\}", operation.template) == in_path


def test_first_segments_belong_to_one_surface_each(house: House) -> None:
    """The first segment decides in whose dialect a 401, 404 or 405 is answered."""
    owners: dict[str, set[str]] = {}
    for rule in rules(house):
        segment = rule.rule.strip("/").partition("/")[0]
        assert "<" not in segment, rule
        owners.setdefault(segment.lower(), set()).add(rule.endpoint.partition(".")[0])
    assert {segment: len(names) for segment, names in owners.items()} == dict.fromkeys(owners, 1)


def unified(rule: werkzeug.routing.Rule) -> tuple[str, ...]:
    return tuple("*" if "<" in part else part for part in rule.rule.lower().split("/"))


def overlap(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return len(one) == len(other) and all(
        a == b or "*" in (a, b) for a, b in zip(one, other, strict=True)
    )


def test_no_address_and_verb_is_answered_by_two_routes(house: House) -> None:
    for one, other in itertools.combinations(rules(house), 2):
        same = (one.methods or set()) & (other.methods or set()) - {"OPTIONS"}
        assert not (same and overlap(unified(one), unified(other))), (one, other)
