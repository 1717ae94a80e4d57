"""Runs at the start of every Python that the tests start with their import path.

The tests copy it beside what it reads.
"""

import os

import reach_guard

try:
    import on_darwin  # there in a run that simulates macOS
except ImportError:
    pass
else:
    on_darwin.simulate()

reach_guard.install_from(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120 - no pathlib
