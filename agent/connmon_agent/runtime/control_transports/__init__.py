"""How lines reach the running agent on this machine: a Unix socket, or a named pipe on Windows."""

import sys

from .interface import LONGEST_REQUEST, Conversation, Listener, Serve

if sys.platform == "win32":
    from .named_pipe import NOUN, exchange, listen, name_sender
else:
    from .unix_socket import NOUN, exchange, listen, name_sender

__all__ = ["LONGEST_REQUEST", "NOUN", "Conversation", "Listener", "Serve", "exchange", "listen", "name_sender"]
