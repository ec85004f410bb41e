"""Rules of teams: which agents belong to one by what they are."""

import enum
from typing import Self

import pydantic

from gateway.catalog import patterns
from gateway.catalog.definitions import Operator
from gateway.catalog.shapes import Shape
from gateway.fleet.roster import Agent

MOST_COMPARISONS = 100
LONGEST_VALUE = 900
_USABLE = frozenset({Operator.EQUALS, Operator.NOT_EQUALS, Operator.CONTAINS, Operator.MATCHES})


class Fact(enum.StrEnum):
    """What an agent tells of itself. It has several addresses and capabilities, one of the rest."""

    NAME = "name"
    PLATFORM = "platform"
    VERSION = "version"
    ADDRESS = "address"
    CAPABILITY = "capability"


_LISTS = {Fact.ADDRESS: "addresses", Fact.CAPABILITY: "capabilities"}


class Comparison(Shape):
    """One fact compared with a value, whatever the case of both.

    Of several addresses or capabilities one that fits is enough; NOT_EQUALS holds where none is
    equal. MATCHES looks for a pattern anywhere in the text.
    """

    fact: Fact
    operator: Operator
    value: str = pydantic.Field(max_length=LONGEST_VALUE)

    @pydantic.model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.operator not in _USABLE:
            raise ValueError(f"a rule can use: {', '.join(sorted(_USABLE))}")
        if self.operator is Operator.MATCHES:
            patterns.check(_folding(self.value))
        return self

    def holds(self, agent: Agent) -> bool:
        """Whether it holds for an agent."""
        told = facts(agent, self.fact)
        if self.operator is Operator.MATCHES:
            return any(patterns.matches(_folding(self.value), text) for text in told)
        wanted, folded = self.value.casefold(), [text.casefold() for text in told]
        if self.operator is Operator.CONTAINS:
            return any(wanted in text for text in folded)
        return (wanted in folded) is (self.operator is Operator.EQUALS)


class Rule(Shape):
    """Agents belong to a team if all of ``all`` hold, and one of ``any`` where there are some."""

    all: tuple[Comparison, ...] = pydantic.Field(default=(), max_length=MOST_COMPARISONS)
    any: tuple[Comparison, ...] = pydantic.Field(default=(), max_length=MOST_COMPARISONS)

    @pydantic.model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.all and not self.any:
            raise ValueError("a rule needs at least one comparison, in 'all' or in 'any'")
        return self

    def holds(self, agent: Agent) -> bool:
        """Whether an agent belongs to a team that has this rule."""
        return all(each.holds(agent) for each in self.all) and (
            not self.any or any(each.holds(agent) for each in self.any)
        )


def facts(agent: Agent, fact: Fact) -> list[str]:
    """What an agent tells under a fact; nothing for what it did not say."""
    if fact is Fact.NAME:
        return [agent.name]
    if fact in _LISTS:
        return [str(text) for text in agent.facts.get(_LISTS[fact], ())]
    return [str(agent.facts[fact.value])] if fact.value in agent.facts else []


def _folding(pattern: str) -> str:
    return f"(?i){pattern}"
