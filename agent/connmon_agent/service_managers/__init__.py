"""Service managers: how the agent is installed with one, and what it says to the one that started it.

Each has a form in a module of its own; ``registry`` says which platform has which.
"""
