"""Locks of a whole file that the kernel releases when their holder dies, on each platform in its own module."""

import sys

if sys.platform == "win32":
    from .windows import lock_alone, lock_shared, unlock
else:
    from .posix import lock_alone, lock_shared, unlock

__all__ = ["lock_alone", "lock_shared", "unlock"]
