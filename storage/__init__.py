"""The store. Knows nothing of the gateway: no rule of the domain stands here."""
