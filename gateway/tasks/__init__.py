"""What a task can do: one module for each type, found through entry points."""
