"""Answers in pieces."""

from collections.abc import Iterator

import pytest

from gateway.web import streams


class Pieces(Iterator[bytes]):
    """Pieces that count how many were asked for; None fails."""

    def __init__(self, *pieces: bytes | None) -> None:
        self._pieces = pieces
        self.asked = 0

    def __next__(self) -> bytes:
        if self.asked == len(self._pieces):
            raise StopIteration
        self.asked += 1
        piece = self._pieces[self.asked - 1]
        if piece is None:
            raise LookupError("gone")
        return piece


@pytest.mark.parametrize("pieces", [(), (b"one",)])
def test_one_piece_is_an_answer_that_states_its_length(pieces: tuple[bytes, ...]) -> None:
    answer = streams.answer(Pieces(*pieces), "text/plain")
    assert answer.content_type == "text/plain"
    assert (answer.content_length, answer.data) == (len(b"".join(pieces)), b"".join(pieces))


def test_of_more_pieces_two_are_made_and_the_others_when_they_are_taken() -> None:
    pieces = Pieces(b"a", b"b", b"c", b"d")
    answer = streams.answer(pieces, "text/plain")
    assert answer.content_length is None
    taken = answer.iter_encoded()
    assert (next(taken), next(taken), pieces.asked) == (b"a", b"b", 2)
    assert (next(taken), pieces.asked) == (b"c", 3)
    assert list(taken) == [b"d"]


@pytest.mark.parametrize("pieces", [(None,), (b"a", None)])
def test_what_goes_wrong_at_once_is_raised_at_once(pieces: tuple[bytes | None, ...]) -> None:
    with pytest.raises(LookupError):
        streams.answer(Pieces(*pieces), "text/plain")


def test_what_goes_wrong_later_is_raised_to_who_takes_the_pieces() -> None:
    answer = streams.answer(Pieces(b"a", b"b", None), "text/plain")
    taken = answer.iter_encoded()
    assert [next(taken), next(taken)] == [b"a", b"b"]
    with pytest.raises(LookupError):
        next(taken)
