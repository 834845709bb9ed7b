"""Decisions on the local ports: which service gets which one."""
