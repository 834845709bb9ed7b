"""Decisions on the internet link."""
