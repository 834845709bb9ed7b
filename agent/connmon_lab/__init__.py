"""Small stand-ins that ship with the agent, for its demo and its tests."""
