"""A self-hosted gateway for automation: old wire contracts in front, one engine behind."""
