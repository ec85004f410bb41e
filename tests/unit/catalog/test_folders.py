import pytest

from gateway.catalog import folders
from gateway.catalog.folders import FolderKind, FolderPathError
from storage.database import Store


@pytest.mark.parametrize(
    ("path", "cleaned"), [("", ""), ("  ", ""), ("A", "A"), ("A/B", "A/B"), (" A / B ", "A/B")]
)
def test_paths_are_cleaned(path: str, cleaned: str) -> None:
    assert folders.clean(path) == cleaned


@pytest.mark.parametrize("path", ["/", "/A", "A/", "A//B", "A/ /B", "x" * 256, "/".join("a" * 33)])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(FolderPathError):
        folders.clean(path)


def test_folders_are_made_with_those_above_them_and_once(store: Store) -> None:
    def ensure(path: str) -> int | None:
        return store.unit_of_work(lambda session: folders.ensure(session, FolderKind.MODULE, path))

    inner = ensure("Straße/Zürich")
    assert inner == ensure("STRASSE / ZÜRICH")
    assert inner != ensure("Straße")
    assert ensure("") is None
    with store.reading() as session:
        assert folders.paths(session, FolderKind.MODULE) == ["Straße", "Straße/Zürich"]
        assert folders.paths(session, FolderKind.RESOURCE) == []
        assert folders.find(session, FolderKind.MODULE, "strasse/zürich") == inner
        assert folders.find(session, FolderKind.MODULE, "elsewhere") is None


def test_the_ids_are_public_numbers(store: Store) -> None:
    number = store.unit_of_work(lambda session: folders.ensure(session, FolderKind.TEAM, "A"))
    assert number is not None
    assert number > 10_000
