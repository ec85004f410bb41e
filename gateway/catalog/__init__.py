"""What can be run: modules and their tasks, folders, resources; building blocks."""
