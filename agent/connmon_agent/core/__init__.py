"""The decision core: pure functions over frozen values. No clock, disk, network, process, thread or randomness."""
