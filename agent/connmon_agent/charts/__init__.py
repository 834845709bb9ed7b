"""Statecharts: read, checked, proved, drawn, and asked which transition fires. Pure; it knows nothing of the agent."""
