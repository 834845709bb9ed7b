"""Doors to Windows' own DLLs, one module a subject, by ctypes with declared types. Imported on Windows alone.

They only ask and answer. What is made of the answers is elsewhere, behind the ports, and is tested on any system.
"""
