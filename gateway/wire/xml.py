"""The one guarded XML parser. All XML that enters the program passes :func:`parse`.

It knows no DOCTYPE, no entities of the sender's, no network and no huge trees, and bounds size,
depth, and the numbers of elements, attributes, namespaces and references. What would cost the
parser itself too much is counted before it sees a document.
"""

import dataclasses
import re
import threading
from typing import NoReturn

from lxml import etree

from gateway.wire import charset as charsets
from gateway.wire.errors import CharsetError, XmlError

XSI = "http://www.w3.org/2001/XMLSchema-instance"


@dataclasses.dataclass(frozen=True)
class XmlLimits:
    """What one document may hold at most.

    ``size`` is in bytes, ``depth`` counts the root as 1 (libxml2 itself stops at 256),
    ``elements`` counts all, with comments, processing instructions and CDATA sections, and with
    what looks like an element in these; ``attributes`` is per element, and there may be two for
    each of ``elements`` in all; ``namespaces`` counts the declarations of the whole document.
    There may be a reference (``&lt;``) for every 16 bytes of ``size``. A single text is bounded by
    libxml2 at 10 MB, a namespace in a long document at 2,000 characters: libxml2 looks into those.
    """

    size: int = 16 * 1024 * 1024
    depth: int = 64
    elements: int = 25_000
    attributes: int = 64
    namespaces: int = 10_000

    def __post_init__(self) -> None:
        # XPath works these out in C, in a few microseconds for a usual message.
        checks = (
            (f"boolean({'/*' * (self.depth + 1)})", f"it is nested deeper than {self.depth}"),
            (
                f"boolean(/descendant::*[{self.elements + 1}])",
                f"it has more than {self.elements} elements",
            ),
            (
                f"boolean(//@*[{self.attributes + 1}])",
                f"an element has more than {self.attributes} attributes",
            ),
        )
        compiled = tuple((etree.XPath(path), problem) for path, problem in checks)
        object.__setattr__(self, "_checks", compiled)

    def excess(self, text: bytes) -> str | None:
        """Say which limit a document breaks, or None, from its text alone.

        The parser takes a second for millions of elements, attributes or references, and keeps
        hundreds of megabytes of them. What is counted is never less than what it would find.
        """
        if text.count(b"<") - text.count(b"</") > self.elements:
            return f"it has more than {self.elements} elements"
        most = max(2 * self.elements, self.attributes)
        if text.count(b"=") > most and _assignments(text) > most:
            return f"it has more than {most} attributes"
        if text.count(b"&") > self.size // _BYTES_PER_REFERENCE:
            return "it has too many references to characters or entities"
        if text.count(b"xmlns") > self.namespaces:
            return f"it declares more than {self.namespaces} namespaces"
        if len(text) > _NO_LONG_TEXT and _LONG_NAMESPACE.search(text):
            return f"it declares a namespace of more than {_LONGEST_NAMESPACE} characters"
        return None

    def is_small(self, text: bytes) -> bool:
        """Whether a document is so small that it can break none of the limits of its parts.

        An element within others costs two angle brackets, an attribute an equals sign. That spares
        a usual message the search, and its thread the wait for its turn after each.
        """
        tags = text.count(b"<")
        return (
            tags < 2 * self.depth and tags <= self.elements and text.count(b"=") <= self.attributes
        )

    def breach(self, root: etree._Element) -> str | None:
        """Say which limit a parsed document breaks, or None."""
        checks: tuple[tuple[etree.XPath, str], ...] = self.__dict__["_checks"]
        return next((problem for broken, problem in checks if broken(root)), None)


DEFAULT_LIMITS = XmlLimits()

_BYTES_PER_REFERENCE = 16
# A shorter document is not worth the search for long namespaces.
_NO_LONG_TEXT = 256 * 1024
_LONGEST_NAMESPACE = 2_000
# Written so that no part of a text is gone through again and again.
_LONG_NAMESPACE = re.compile(
    rb"""xmlns(?::[^\s=<>"':]*+)?+\s*+=\s*+(?:"[^"]{%(most)d}|'[^']{%(most)d})"""
    % {b"most": _LONGEST_NAMESPACE + 1}
)


def _assignments(text: bytes) -> int:
    """How many equals signs stand before a quote, which those of attributes do."""
    packed = text.translate(None, b" \t\r\n")
    return packed.count(b'="') + packed.count(b"='")


_DECLARATION = re.compile(
    r"""\s*<\?xml\s[^>]*?\bencoding\s*=\s*["']([^"'<>]*)["'][^>]*\?>""", re.ASCII
)
# What may stand before a DOCTYPE: white space, processing instructions, comments.
_DOCTYPE = re.compile(rb"(?:\s+|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL)
_HAS_DOCTYPE = "the document has a DOCTYPE, which is not allowed"
# Where the declaration of a document in any ASCII-compatible encoding must have ended.
_DECLARATION_SPAN = 200


def parse(
    data: bytes, *, charset: str | None = None, limits: XmlLimits = DEFAULT_LIMITS
) -> etree._Element:
    """Parse a document and return its root, without comments and processing instructions.

    ``charset`` is the parameter of the Content-Type, if it had one; it may be wrong
    (:func:`gateway.wire.charset.decode` says how that is settled).

    Raises :class:`~gateway.wire.errors.XmlError` with a sentence that names the line.
    """
    if len(data) > limits.size:
        raise XmlError(f"the document is larger than {limits.size} bytes")
    text = _utf8(data, charset)
    if problem := limits.excess(text):
        raise XmlError(f"the document is refused: {problem}")
    if _DOCTYPE.match(text):  # before the parser sees what it names
        raise XmlError(_HAS_DOCTYPE)
    try:
        root = _parsed(text)
    except etree.XMLSyntaxError as error:
        raise XmlError(_sentence(error)) from None
    if root.getroottree().docinfo.internalDTD is not None:  # one that the pattern did not see
        raise XmlError(_HAS_DOCTYPE)
    if not limits.is_small(text) and (problem := limits.breach(root)):
        raise XmlError(f"the document is refused: {problem}")
    return root


def _utf8(data: bytes, charset: str | None) -> bytes:
    """Return the document in UTF-8; the parser is told so, whatever the declaration says."""
    match = _DECLARATION.match(data[:_DECLARATION_SPAN].decode("latin-1"))
    try:
        text = charsets.decode(data, charset, match.group(1) if match else None)
    except CharsetError as error:
        raise XmlError(error.sentence) from None
    # Old stacks put line breaks before the declaration, which libxml2 would refuse. A second byte
    # order mark it would skip, and so a DOCTYPE behind one must not be hidden from our pattern.
    return text.lstrip(" \t\r\n\ufeff").encode("utf-8")


class _NothingOutside(etree.Resolver):
    """Refuses all that a document names outside of itself.

    libxml2 opens the external part of a DOCTYPE even where it is told not to load it.
    """

    def resolve(self, *_named: object, **_more: object) -> NoReturn:
        raise XmlError(_HAS_DOCTYPE)


# lxml keeps every name that a thread has ever met until the thread ends. In usual messages these
# are the same few; what is larger, or comes when a thread has met so much already, is parsed by a
# thread of its own, which takes its names along.
_USUAL_BYTES = 16 * 1024
_BYTES_OF_A_THREAD = 8 * 1024 * 1024


def _parsed(text: bytes) -> etree._Element:
    met = getattr(_of_this_thread, "met", 0) + len(text)
    if len(text) <= _USUAL_BYTES and met <= _BYTES_OF_A_THREAD:
        _of_this_thread.met = met
        return etree.fromstring(text, _parser())
    return _parsed_apart(text)


def _parsed_apart(text: bytes) -> etree._Element:
    found: list[etree._Element | Exception] = []

    def parse_here() -> None:
        try:
            found.append(etree.fromstring(text, _parser()))
        except Exception as error:  # noqa: BLE001  # raised by who waits for it
            found.append(error)

    thread = threading.Thread(target=parse_here, name="xml", daemon=True)
    thread.start()
    thread.join()
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


# A parser is not shared between threads: lxml would make them wait for each other, and its
# error log belongs to the parser.
_of_this_thread = threading.local()


def _parser() -> etree.XMLParser:
    parser: etree.XMLParser | None = getattr(_of_this_thread, "parser", None)
    if parser is None:
        parser = _of_this_thread.parser = etree.XMLParser(
            encoding="utf-8",
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            dtd_validation=False,
            attribute_defaults=False,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
            collect_ids=False,
        )
        parser.resolvers.add(_NothingOutside())
    return parser


# What libxml2 says to programmers: its functions, its options, the place once more.
_OF_THE_PARSER = re.compile(
    r"\Axml\w+ ?: |,? (?:use|try) XML_\w+(?: option)?|, line \d+, column \d+.*\Z", re.DOTALL
)


def _sentence(error: etree.XMLSyntaxError) -> str:
    line, column = error.position
    problem = _OF_THE_PARSER.sub("", error.msg or "").strip()
    if not line:
        return f"the document is not XML: {problem or 'it is empty'}"
    return f"the document is not well-formed XML: line {line}, column {column}: {problem}"
