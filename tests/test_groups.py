"""Tests that share what they make stay in one process."""

import os


def test_what_reads_the_groups_has_read_them(request):
    """pytest-xdist writes the group of a test after its name; a pytest that it does not know loses it in silence."""
    if "PYTEST_XDIST_WORKER" in os.environ and request.config.getoption("loadgroup"):
        assert request.node.nodeid.endswith(f"@{__file__}")
