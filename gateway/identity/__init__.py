"""Who acts and what they may do: principals, credentials, roles, secrets, audit."""
