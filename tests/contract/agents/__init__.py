"""The protocol of agents on other machines, message by message."""
