"""pytest, with compiled modules kept in a folder of their own, which the processes that tests start use as well.

Whoever runs this may forbid to write them beside the sources, where those of Linux are. Without them each start of an
agent compiles all of its modules: 3 s instead of 1.
"""

from __future__ import annotations

import os
import sys
import tempfile

import pytest

if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    sys.pycache_prefix = os.path.join(tempfile.gettempdir(), "connmon-agent-bytecode")
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    sys.exit(pytest.main())
