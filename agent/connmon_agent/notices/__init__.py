"""What notices say and how they are sent: a child process of its own, so that no sender costs the agent memory.

``jobs`` is all that the agent needs of it. When a notice is due, and how often it is tried, is the outbox's.
"""
