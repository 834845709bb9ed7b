"""The page: a reader of the state file in a process of its own, which serves it to browsers."""
