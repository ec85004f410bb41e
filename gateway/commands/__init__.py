"""What the command line can do to a gateway, a module for each thing that it is done to.

``gateway.administration`` gathers them; arguments and answers are plain JSON values, since they
also travel through the control socket.
"""
