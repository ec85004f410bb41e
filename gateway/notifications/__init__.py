"""Telling people and systems what became of jobs: rules, messages on their way, and the sender."""
