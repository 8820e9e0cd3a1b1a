"""What rows of the fault matrix came to, in figures, for the table at the end of a run (`run.py`)."""

rows = {}  # By the test's id, or `game day NAME`.


def tell(row, seconds=None, lost=0, promoted=(), ok="", failed="", skipped=""):
    """The longest time without writes and the rows lost; of what is told more than once of a row the worst counts.
    `ok`, `failed`, `skipped`: why it is, of a row that is no test of its own."""
    known = rows.setdefault(row, {"seconds": None, "lost": 0, "promoted": [], "ok": "", "failed": "", "skipped": ""})
    known["seconds"] = max((each for each in (known["seconds"], seconds) if each is not None), default=None)
    known["lost"] = max(known["lost"], lost)
    known.update(ok=ok, failed=known["failed"] or failed, skipped=skipped)
    known["promoted"] += [each for each in promoted if each not in known["promoted"]]
