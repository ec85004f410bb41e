"""What an operator sees of a running gateway: its log, its figures, its health."""
