"""The hostile messages that were made by hand."""

from collections.abc import Iterator

import pytest

from tests.hostile import campaign, corpus, generator, messages
from tests.hostile.house import Target
from tests.hostile.messages import Message


@pytest.mark.parametrize("family", corpus.FAMILIES)
def test_every_message_of_a_family_is_answered_within_the_rules(
    target: Target, family: str
) -> None:
    names: list[str] = []

    def noted() -> Iterator[Message]:
        for message in corpus.FAMILIES[family]():
            names.append(message.name)
            yield message

    report = campaign.run(target, noted(), 0)
    assert report.count > 0
    assert len(names) == len(set(names))
    assert report.problems(of_memory=False) == []


def test_a_kept_message_can_be_read_again() -> None:
    for message in generator.seeds():
        assert messages.read(message.name, message.written()) == message
