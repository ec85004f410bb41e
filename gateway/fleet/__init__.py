"""The agents as the server knows them: who they are, their teams, what they are given."""
