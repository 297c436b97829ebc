"""One thread a test, since the networks are tiny and threads would wait for each other; and no silent skips in CI."""

import os

import pytest
import torch

torch.set_num_threads(1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Where everything must run, as in .ci/run, a skipped test has failed."""
    report = yield
    if report.skipped and os.environ.get("MOBILENET_EDU_REQUIRE_ALL"):
        report.outcome = "failed"
        report.longrepr = f"skipped, but nothing may be skipped here: {report.longrepr[2]}"
    return report
