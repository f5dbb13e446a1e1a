"""``python -m gpicl``, and the script ``gpicl``: the whole command."""

import signal
import sys

from gpicl import _gpicl
from gpicl._program import PROGRAM


def main() -> int:
    """Does what the command line says.

    Returns
    -------
    int
        The exit code.
    """
    # The command has its own answer to Ctrl-C, or is ended by it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _gpicl.command(["gpicl", *sys.argv[1:]], *PROGRAM)


if __name__ == "__main__":
    sys.exit(main())
