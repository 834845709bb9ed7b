"""The TCP ports of this machine: taking one, trying one, and finding out who has it."""
