"""The hostile messages that were made by hand."""

import pytest

from tests.hostile import campaign, corpus, messages
from tests.hostile.house import Target


@pytest.mark.parametrize("family", corpus.FAMILIES)
def test_every_message_of_a_family_is_answered_within_the_rules(
    target: Target, family: str
) -> None:
    report = campaign.run(target, corpus.FAMILIES[family](), 0)
    assert report.count > 0
    assert report.problems(of_memory=False) == []


@pytest.mark.parametrize("family", corpus.FAMILIES)
def test_names_tell_the_messages_of_a_family_apart(family: str) -> None:
    names = [message.name for message in corpus.FAMILIES[family]()]
    assert len(names) == len(set(names))


def test_a_kept_message_can_be_read_again() -> None:
    for message in corpus.small(10_000):
        assert messages.read(message.name, message.written()) == message
