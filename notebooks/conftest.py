"""A ceiling on how long notebooks take: each, and all of them together."""

import pytest

EACH, ALL = 60, 480  # seconds
spent = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call":
        spent.append(call.duration)
        if report.passed and call.duration > EACH:
            report.outcome = "failed"
            report.longrepr = f"took {call.duration:.0f} s; {EACH} are allowed"
    return report


def pytest_sessionfinish(session):
    if sum(spent) > ALL:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(
        f"slowest notebook {max(spent, default=0):.0f} s of {EACH}, all {sum(spent):.0f} s of {ALL}"
    )
