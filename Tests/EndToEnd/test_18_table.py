"""Whether the table at the end of a run (`run.py`) says what became of each row, and whether the run fails where a row does."""

import io
import unittest

import figures
import run

PAGE = """
| fault | rows |
| --- | --- |
| a plain one | `test_0_x.Rows.test_well`, `test_0_x.Rows.test_lost` |
| another | `test_0_x.Rows.test_left_out`, `test_0_x.Rows.test_steps`, `test_0_x.Never.test_begun`, game day `primary-kill`, game day `disk-full`, game day `host-cut`, game day `undrained` |
| of another file | `test_1_y.Others.test_elsewhere` |
"""


def rows():
    """Classes whose tests end in every way; inside a function, so that none is a test of this file."""
    class Rows(unittest.TestCase):
        def test_well(self):
            pass

        def test_lost(self):
            raise AssertionError("LOST 3 ROWS at orders-2\nand more")

        @unittest.skip("no nft")
        def test_left_out(self):
            pass

        def test_steps(self):
            for number in (1, 2):
                with self.subTest(number=number):
                    self.assertNotEqual(number, 1, "the first step")

    class Never(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            raise OSError("no fleet")

        def test_begun(self):
            pass

    for kind in (Rows, Never):
        kind.__module__, kind.__qualname__ = "test_0_x", kind.__name__
    return Rows, Never


def played(*kinds):
    suite = unittest.TestSuite(unittest.defaultTestLoader.loadTestsFromTestCase(kind) for kind in kinds)
    names = {test.id() for test in run.tests(suite)} | {"test_13_gameday.GameDay.test_x"}
    return unittest.TextTestRunner(stream=io.StringIO(), resultclass=run.Outcomes).run(suite), names


class Table(unittest.TestCase):
    def setUp(self):
        self.result, names = played(*rows())
        self.addCleanup(figures.rows.update, dict(figures.rows))
        figures.rows.clear()
        figures.tell("test_0_x.Rows.test_well", 0.4, promoted=["orders-2"])
        figures.tell("test_0_x.Rows.test_well", 0.3, promoted=["orders-2"])
        figures.tell("test_0_x.Rows.test_lost", 1.0, lost=3)
        figures.tell("test_0_x.Rows.test_lost", 2.0)
        figures.tell("game day primary-kill", 0.7)
        figures.tell("game day primary-kill", failed="nobody took over")
        figures.tell("game day undrained", lost=7, ok="LOST, as sabotage must")
        figures.tell("game day disk-full", skipped="no file system of its own")
        self.lines = run.lines(PAGE, self.result, figures.rows, names)

    def line(self, text):
        return next(line for line in self.lines if text in line)

    def test_each_row_says_what_became_of_it(self):
        self.assertRegex(self.line("test_well"), r"^a plain one +Rows.test_well +0.40 s +0 +orders-2 +ok$")
        self.assertRegex(self.line("test_lost"), r"2.00 s +3 +- +FAILED: LOST 3 ROWS at orders-2$")
        self.assertRegex(self.line("test_left_out"), r"- +- +- +skipped: no nft$")
        self.assertRegex(self.line("test_steps"), r"FAILED: .*the first step$")
        self.assertRegex(self.line("test_begun"), r"FAILED: no fleet$")
        self.assertRegex(self.line("primary-kill"), r"0.70 s +0 +- +FAILED: nobody took over$")
        self.assertRegex(self.line("disk-full"), r"- +- +- +skipped: no file system of its own$")
        self.assertRegex(self.line("undrained"), r"- +7 +- +ok: LOST, as sabotage must$")
        self.assertRegex(self.line("host-cut"), r"- +- +- +skipped: not in a game day")
        self.assertFalse([line for line in self.lines if "elsewhere" in line])
        self.assertEqual(self.lines[-1], "9 rows of the fault matrix: 2 ok, 4 FAILED, 3 skipped")

    def test_a_run_is_well_only_where_every_test_was(self):
        self.assertEqual(run.status(self.result), 1)
        kind = rows()[0]
        del kind.test_lost, kind.test_steps
        self.assertEqual(run.status(played(kind)[0]), 0)
        self.assertEqual(run.status(played()[0]), 1)

    def test_the_page_is_read_whole(self):
        found = run.matrix(run.PAGE.read_text())
        self.assertGreater(len(found), 100)
        self.assertIn(("SIGSTOP", "game day primary-freeze"), found)


if __name__ == "__main__":
    unittest.main()
