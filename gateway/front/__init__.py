"""The HTTP front: listeners, bodies and answers around the WSGI application."""
