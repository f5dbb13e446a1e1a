"""What starts the command: sweeps and comparisons meta-train each run in a process of its own."""

import sys

#: The interpreter and its words before the command's own.
PROGRAM = (sys.executable or "python3", ["-m", "gpicl"])
