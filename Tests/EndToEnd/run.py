"""Runs the tests of this folder and ends with a table of the fault matrix: each of its rows, what it did, what it came to,
and why it was not run. Ends with 1 where a test failed or none was run.

    python3 -B Tests/EndToEnd/run.py [-p 'test_1[123]*.py'] [-k donor_of_a_clone]
"""

import argparse
import pathlib
import re
import sys
import unittest

import figures

FOLDER = pathlib.Path(__file__).resolve().parent
PAGE = FOLDER / "MATRIX.md"
COLUMNS = ("FAULT", "ROW", "WITHOUT WRITES", "LOST", "PROMOTED", "VERDICT")
GAME_DAY = "game day "
REASON_LENGTH = 160
OK, FAILED, SKIPPED = "ok", "FAILED", "skipped"


class Outcomes(unittest.TextTestResult):
    """Also keeps what became of each test: by its id, or by `setUpClass (its class)`, a verdict and the reason for it."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.outcomes = {}

    def keep(self, test, verdict, reason=""):
        # What failed stays so, whatever is said of a step or of the way down afterwards.
        if self.outcomes.get(test.id(), ("",))[0] != FAILED:
            self.outcomes[test.id()] = (verdict, reason)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.keep(test, OK)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.keep(test, FAILED, first_line(err[1]))

    def addError(self, test, err):
        super().addError(test, err)
        self.keep(test, FAILED, first_line(err[1]))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.keep(test, SKIPPED, reason)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.keep(test, FAILED, first_line(err[1]))

    def addExpectedFailure(self, test, err):
        super().addExpectedFailure(test, err)
        self.keep(test, OK, "fails, as it is expected to")

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.keep(test, FAILED, "does not fail, as it is expected to")

    def of(self, name):
        """Of a test by its id: what became of it, of its class or of its file."""
        if found := self.outcomes.get(name):
            return found
        kind = name.rsplit(".", 1)[0]
        for place in (f"setUpClass ({kind})", f"setUpModule ({kind.split('.')[0]})"):
            if found := self.outcomes.get(place):
                return found
        return SKIPPED, "not reached"


def first_line(error):
    lines = [line for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:REASON_LENGTH]


def matrix(page):
    """(fault, row) of each row that the page names: a test's id, or `game day NAME`."""
    rows = []
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 2:
            rows += [(cells[0], test or GAME_DAY + day) for test, day in re.findall(r"`(test_\w+\.\w+\.test_\w+)`|game day `([\w-]+)`", cells[1])]
    return rows


def judged(row, result, told):
    """The verdict of a row, and the reason for it."""
    if not row.startswith(GAME_DAY):
        return result.of(row)
    if row not in told:
        return SKIPPED, "not in a game day of this run; EVENKEEL_TEST_FULL=1 runs all"
    for verdict, reason in ((FAILED, told[row]["failed"]), (SKIPPED, told[row]["skipped"])):
        if reason:
            return verdict, reason[:REASON_LENGTH]
    return OK, told[row]["ok"]


def lines(page, result, told, names):
    """The table. `names`: the tests of this run; rows of others are left out."""
    table, counts, above = [COLUMNS], {}, None
    kinds = {name.rsplit(".", 1)[0] for name in names}
    for fault, row in matrix(page):
        if row not in names and not (row.startswith(GAME_DAY) and any(kind.startswith("test_13") for kind in kinds)):
            continue
        verdict, reason = judged(row, result, told)
        figure = told.get(row, {})
        seconds = figure.get("seconds")
        table.append((
            "" if fault == above else fault.replace("`", ""), row.split(".", 1)[-1],
            "-" if seconds is None else f"{seconds:.2f} s",
            str(figure["lost"]) if figure and not figure["skipped"] else "-",
            ", ".join(figure.get("promoted", ())) or "-",
            f"{verdict}: {reason}" if reason else verdict))
        above = fault
        counts[verdict] = counts.get(verdict, 0) + 1
    if len(table) == 1:
        return []
    widths = [max(len(line[column]) for line in table) for column in range(len(COLUMNS))]
    text = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in table]
    return text + [f"{len(table) - 1} rows of the fault matrix: " + ", ".join(f"{counts.get(each, 0)} {each}" for each in (OK, FAILED, SKIPPED))]


def tests(suite):
    """Every test of a suite."""
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from tests(each)
        else:
            yield each


def status(result):
    """Of the program: what was not run proves nothing."""
    return 0 if result.wasSuccessful() and result.outcomes else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-p", "--pattern", default="test_*.py", help="files of this folder")
    parser.add_argument("-k", dest="names", action="append", help="only tests whose name contains it; may be repeated")
    options = parser.parse_args()
    loader = unittest.TestLoader()
    loader.testNamePatterns = [name if "*" in name else f"*{name}*" for name in options.names] if options.names else None
    suite = loader.discover(str(FOLDER), pattern=options.pattern)
    names = {test.id() for test in tests(suite)}
    result = unittest.TextTestRunner(verbosity=2, resultclass=Outcomes).run(suite)
    if not names:
        print("no test was run", file=sys.stderr)
    print("\n".join(["", *lines(PAGE.read_text(), result, figures.rows, names)]), flush=True)
    sys.exit(status(result))


if __name__ == "__main__":
    main()
