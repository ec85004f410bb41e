"""The operations on agents and teams."""

from gateway.agents import roster
from gateway.identity.permissions import Access, Node
from gateway.jobs.places import Places
from gateway.surfaces.dispatcher import mapping, messages
from gateway.surfaces.dispatcher.operation import Call, Operation, query
from gateway.wire.messages import list_of
from gateway.wire.scalars import BOOLEAN, TEXT


def _get_who(
    call: Call,
    agents: bool | None,
    teams: bool | None,
    online: bool | None,
    licensed: bool | None,
    search: str | None,
) -> tuple[messages.JobWho, ...]:
    # Every agent of this installation is licensed, and there are no teams to be listed.
    if agents is False or (agents is None and teams) or licensed is False:
        return ()
    services = call.services
    with services.store.reading() as session:
        found = roster.agents(session)
    now = services.now()
    readable = call.readable(Node.AGENTS, found, Places.agent)
    return tuple(
        mapping.agent(agent)
        for agent in readable
        if (online is None or agent.online(now, services.offline_after) is online)
        and (search or "").casefold() in agent.name.casefold()
    )


WHO_OPERATIONS = (
    Operation(
        "GetWho",
        "GET",
        "who",
        "Lists agents and teams.",
        Node.AGENTS,
        Access.READ,
        (
            query("agents", BOOLEAN, "Agents (default true)."),
            query("teams", BOOLEAN, "Teams."),
            query("online", BOOLEAN, "Only those that are (not) online."),
            query("licensed", BOOLEAN, "Only those that are (not) licensed."),
            query("search", TEXT, "A part of the name."),
        ),
        list_of(messages.JobWho),
        _get_who,
        lambda _arguments: (),
    ),
)
