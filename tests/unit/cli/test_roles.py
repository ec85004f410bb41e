"""``role``, ``permission``, ``audit``, and ``login bind``."""

from pathlib import Path

from tests.unit.cli.conftest import Run


def test_roles_are_made_shown_changed_and_deleted(gateway: Run) -> None:
    made = gateway(
        "role", "create", "Night", "--grant", "jobs=modify", "--grant", "*=read", "--json"
    )
    assert made.json["permissions"] == {"*": "read", "Jobs": "modify"}
    assert gateway("role", "grant", "night", "Agents", "deny").code == 0
    assert "Agents deny" in gateway("role", "list").out
    gateway("login", "add", "ada", "--generate")
    assert gateway("login", "bind", "ada", "Night").code == 0
    assert gateway("role", "show", "Night", "--json").json["logins"] == ["ada"]
    assert "ada" in gateway("role", "delete", "Night").err
    assert gateway("login", "unbind", "ada", "Night").code == 0
    assert gateway("role", "delete", "Night").code == 0
    assert "Night" not in gateway("role", "list").out


def test_roles_within_scopes(gateway: Run, block: Path) -> None:
    assert gateway("import", str(block)).code == 0
    gateway("login", "add", "ada", "--generate")
    bound = gateway("login", "bind", "ada", "Readers", "--folder", "module:Demo")
    assert bound.out == "ada has the role Readers in the module folder 'Demo'\n"
    again = gateway("login", "bind", "ada", "Readers", "--folder", "module:demo")
    assert "had already" in again.out
    assert "for what is one's own" in gateway("login", "bind", "ada", "Operators", "--own").out
    (ada,) = [one for one in gateway("login", "list", "--json").json if one["name"] == "ada"]
    assert ada["roles"] == []
    assert ada["narrowed"] == [
        "Operators for what is one's own",
        "Readers in the module folder 'Demo'",
    ]
    unbound = gateway("login", "unbind", "ada", "Readers", "--folder", "module:Demo")
    assert unbound.out == "ada has no longer the role Readers in the module folder 'Demo'\n"
    wrong = gateway("login", "unbind", "ada", "Readers", "--folder", "module:Demo")
    assert wrong.code == 2
    assert gateway("login", "bind", "ada", "Readers", "--own", "--team", "x").code == 2
    assert "no team" in gateway("login", "bind", "ada", "Readers", "--team", "x").err
    assert "last enabled administrator" in gateway("login", "unbind", "admin", "Administrators").err


def test_a_permission_is_explained(gateway: Run, block: Path) -> None:
    assert gateway("import", str(block)).code == 0
    gateway("login", "add", "ada", "--generate")
    gateway("login", "bind", "ada", "Readers", "--folder", "module:Demo")
    allowed = gateway("permission", "explain", "ada", "GetInputParameters", "Hello")
    assert allowed.code == 0
    assert "GetInputParameters: ada may do it" in allowed.out
    assert "in the module folder 'Demo'" in allowed.out
    refused = gateway("permission", "explain", "ada", "ScheduleJob", "Hello")
    assert refused.code == 1
    assert "no role grants MODIFY on Jobs" in refused.out
    nothing = gateway("permission", "explain", "ada", "GetJobs", "--json")
    assert nothing.json["allowed"]
    assert gateway("permission", "explain", "nobody", "GetJobs").code == 2


def test_changes_are_listed_with_their_comments(gateway: Run) -> None:
    gateway("login", "add", "ada", "--generate", "--comment", "ticket 12")
    gateway("login", "disable", "ada", "--comment", "on leave")
    found = gateway("audit", "list", "--size", "2", "--json").json
    assert [(one["action"], one["comment"]) for one in found] == [
        ("login.disable", "on leave"),
        ("login.add", "ticket 12"),
    ]
    assert (found[0]["before"], found[0]["after"]) == ({"disabled": False}, {"disabled": True})
    assert found[0]["surface"] == "cli"
    older = gateway("audit", "list", "--older-than", str(found[1]["id"]), "--json").json
    assert all(one["id"] < found[1]["id"] for one in older)
    assert "on leave" in gateway("audit", "list").out


def test_a_comment_that_cannot_be_kept_is_refused(gateway: Run) -> None:
    refused = gateway("login", "disable", "admin", "--comment", "x" * 5000)
    assert refused.code == 2
    assert "Comment: is longer than" in refused.err
