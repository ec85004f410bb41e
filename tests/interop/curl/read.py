"""Reads the answer that curl has fetched: texts by paths of local names.

``read.py FILE PATH...``: for each element at the first path a line of the texts at the others below
it, joined by ``|``; an element that is not there is an empty text.
"""

import sys
from xml.etree import ElementTree

document, path, *members = sys.argv[1:]
root = ElementTree.parse(document).getroot()


def steps(names: str) -> str:
    return "/".join(f"{{*}}{name}" for name in names.split("/"))


def text(element: ElementTree.Element, names: str) -> str:
    found = element.find(steps(names))
    return "" if found is None else found.text or ""


for element in root.iterfind(f".//{steps(path)}"):
    told = "|".join(text(element, each) for each in members) if members else element.text or ""
    told = told.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
    print(told.replace("\t", "\\t"))
