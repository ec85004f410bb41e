"""Machines that run tasks: the embedded agent and, over the same interface, remote ones."""
