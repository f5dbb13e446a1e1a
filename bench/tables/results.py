"""Results, a line of JSON each: what is finished is not measured again."""

import hashlib
import json

from data import Fault


def key(table, size, queries, split, method):
    """Names a measurement by all that it depends on: another table, program or checkpoint is another measurement."""
    parts = (table.digest, size, queries, split, method.version)
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:16]


class Results:
    """The file, and its records by key."""

    def __init__(self, path):
        self.path, self.records = path, {}
        path.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text() if path.exists() else ""
        lines = text.splitlines(keepends=True)
        if lines and not lines[-1].endswith("\n"):
            # Stopped while it was written.
            path.write_text("".join(lines[:-1]))
            lines.pop()
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
                self.records[record["key"]] = record
            except (ValueError, KeyError, TypeError) as error:
                raise Fault(f"{path}: line {number}: not a result ({error}); remove the line") from error

    def add(self, record):
        with open(self.path, "a") as file:
            file.write(json.dumps(record) + "\n")
        self.records[record["key"]] = record
