"""Teams, memberships and removal with zeep (Dispatcher contract 5, our choice of names)."""

import pytest
import zeep.exceptions

from tests.contract.dispatcher.test_soap import Soap, fault, soap, version

__all__ = ["soap", "version"]


def names(found: object) -> list[str]:
    return [one["Name"] for one in found or []]  # type: ignore[attr-defined]  # zeep has no types


def test_teams_by_soap(soap: Soap) -> None:
    house, service = soap.house, soap.service()
    agent = house.agent("PC1")
    house.agent("alpha")
    house.team("Floor 2")
    house.team("Floor 3", "alpha")
    answer = service.ModifyAgentMembership(
        membership={
            "Agent": {"ID": "PC1"},
            "AddTo": {"JobWho": [{"Name": "Floor 3"}]},
            "PrimaryTeam": {"Name": "Floor 2", "Type": "Team"},
            "Comment": "by zeep",
        }
    )
    assert names(answer["MemberOf"]["JobWho"]) == ["Floor 2", "Floor 3"]
    assert answer["PrimaryTeam"]["Type"] == "Team"
    answer = service.ModifyTeamMembership(
        membership={
            "Team": {"Name": "Floor 2"},
            "Add": {"JobWho": [{"Name": "Floor 3", "Type": "Team"}]},
            "Remove": {"JobWho": [{"Name": "alpha"}]},
        }
    )
    assert names(answer["Members"]["JobWho"]) == ["PC1", "Floor 3"]
    first, second = service.GetTeamsReport()
    assert (first["Name"], names(first["Agents"]["TeamAgent"])) == ("Floor 2", ["alpha", "PC1"])
    assert names(second["Agents"]["TeamAgent"]) == ["alpha", "PC1"]
    assert names(service.GetWho(teams=True)) == ["Floor 2", "Floor 3"]
    house.silence(agent)
    answer = service.RemoveAgent(removal={"Agent": {"Name": "PC1"}, "Comment": "gone"})
    assert (answer["Agent"]["Name"], answer["EndedRuns"]) == ("PC1", 0)
    assert names(service.GetWho(agents=True)) == ["alpha"]


def test_refusals_are_typed_faults(soap: Soap) -> None:
    soap.house.agent("PC1")
    soap.house.team("Floor 2")
    service = soap.service()
    with fault("AgentNotFound", sender=True, word="nobody"):
        service.RemoveAgent(removal={"Agent": {"Name": "nobody"}})
    with fault("AgentOnline", sender=True, word="is online"):
        service.RemoveAgent(removal={"Agent": {"Name": "PC1"}})
    with fault("TeamNotFound", sender=True, word="Floor 9"):
        service.ModifyTeamMembership(membership={"Team": {"Name": "Floor 9"}})
    with fault("InvalidMembership", sender=True, word="AddTo[0]"):
        service.ModifyAgentMembership(
            membership={"Agent": {"Name": "PC1"}, "AddTo": {"JobWho": [{"Name": "Floor 9"}]}}
        )
    with fault("InvalidArgument", sender=True, word="membership: is missing"):
        service.ModifyAgentMembership()


def test_without_the_right_nothing_is_changed(soap: Soap) -> None:
    soap.house.agent("PC1")
    soap.house.team("Floor 2")
    soap.house.login("reader", "Readers")
    service = soap.service(("reader", "a long password"))
    with fault("AccessDenied", sender=True, word="no modify access to Teams"):
        service.ModifyTeamMembership(membership={"Team": {"Name": "Floor 2"}})
    with pytest.raises(zeep.exceptions.Fault, match="no modify access to Agents"):
        service.RemoveAgent(removal={"Agent": {"Name": "PC1"}})
