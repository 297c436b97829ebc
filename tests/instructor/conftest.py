"""Makes `instructor`, which is not installed, importable, and skips what needs a sandbox where there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from instructor.sandbox import SandboxError, check_sandbox  # noqa: E402


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "sandbox: needs a bwrap that works; skipped, visibly, where there is none")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, visibly, what needs a sandbox where there is none."""
    sandboxed = [item for item in items if item.get_closest_marker("sandbox")]
    if not sandboxed:
        return
    try:
        check_sandbox()
    except SandboxError as error:
        for item in sandboxed:
            item.add_marker(pytest.mark.skip(reason=str(error)))
