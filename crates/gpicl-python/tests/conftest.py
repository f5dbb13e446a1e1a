"""Where the command is that the package is compared with."""

import os
import shutil
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
