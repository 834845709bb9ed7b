"""The report for the provider: what the recorded history says of the link's availability, in several formats.

``collecting`` reads the state file, ``timeline`` makes intervals of its events, ``accounting`` adds them up, and one
module a format writes the result down. Nothing here needs a running agent or writes the state file.
"""
