"""The stubs and the package agree, as mypy sees it."""

import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def test_mypy_finds_nothing(tmp_path):
    arguments = ["--config-file", PACKAGE / "pyproject.toml", "--cache-dir", tmp_path]
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", *arguments, PACKAGE / "python" / "gpicl"], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_stubs_name_what_there_is(tmp_path):
    checked = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "gpicl._gpicl", "--ignore-disjoint-bases"], capture_output=True, text=True, cwd=tmp_path
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
