"""The wire contracts. A surface maps messages to the domain and holds no rule of its own."""
