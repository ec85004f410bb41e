"""Where remote agents come: HTTP and JSON, as ``gateway.agents.messages`` describes it."""
