"""SPDY/3.1, as far as port-forwards need it: what goes over the wire, and nothing of how. Pure."""
