"""What the tests share: the command that the package is compared with, and Ctrl-C."""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", Path(__file__).parents[3] / "target"))


@pytest.fixture(scope="session")
def command():
    """The ``gpicl`` command: ``$GPICL_COMMAND``, or what this clone built, or what is installed."""
    built = [TARGET / profile / "gpicl" for profile in ("release", "debug")]
    found = [os.environ.get("GPICL_COMMAND"), *filter(Path.exists, built), shutil.which("gpicl")]
    for path in filter(None, found):
        return path
    pytest.skip("no gpicl command: build it (cargo build --release), or name it by GPICL_COMMAND")


@pytest.fixture(scope="session")
def ends_at_ctrl_c():
    """Asserts that a process that is at work ends with a ``KeyboardInterrupt``, and soon."""

    def ends(child):
        assert child.poll() is None
        started = time.monotonic()
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=60)
        assert "KeyboardInterrupt" in errors
        # Far more than it takes, for machines that do other things too.
        assert time.monotonic() - started < 10

    return ends
