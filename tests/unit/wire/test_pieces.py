"""Long answers, piece by piece."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import pieces


@given(st.lists(st.text(max_size=5).map(lambda text: text * 10_000), max_size=12))
def test_pieces_are_all_of_the_text_and_all_but_the_last_are_large(texts: list[str]) -> None:
    found = list(pieces.gathered(texts))
    assert b"".join(found).decode() == "".join(texts)
    assert all(len(piece.decode()) >= pieces.SIZE for piece in found[:-1])


def test_no_text_is_asked_for_before_its_piece_is() -> None:
    asked: list[int] = []

    def texts() -> Iterator[str]:
        for number in range(100):
            asked.append(number)
            yield "x" * 1024

    made = pieces.gathered(texts())
    assert asked == []
    assert (len(next(made)), len(asked)) == (pieces.SIZE, 64)
    assert (len(next(made)), len(asked)) == (36 * 1024, 100)
    assert list(made) == []


def test_no_text_makes_no_piece() -> None:
    assert list(pieces.gathered([])) == []
