"""Decisions on the services: whether, when and how often one is restarted."""
