"""What all surfaces do alike with Flask: who calls, which request, how the server is."""
