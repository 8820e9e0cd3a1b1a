"""Whether the page of the fault matrix is true: each row that it names is there, and every row of the matrix is named."""

import ast
import pathlib
import re
import unittest

from harness import ROOT

FOLDER = pathlib.Path(__file__).parent
PAGE = FOLDER / "MATRIX.md"
CATALOGUE = ROOT / "Sources" / "GameDay" / "Catalogue.swift"
# Rows of these files stand for nothing but the matrix.
OF_THE_MATRIX = "test_12_*.py"


def tests(path):
    """`file.Class.test` of each test in a file, and whether it is marked as a fault that is known."""
    found = {}
    for kind in ast.parse(path.read_text()).body:
        if isinstance(kind, ast.ClassDef):
            for each in kind.body:
                if isinstance(each, ast.FunctionDef) and each.name.startswith("test_"):
                    found[f"{path.stem}.{kind.name}.{each.name}"] = any(
                        isinstance(mark, ast.Call) and getattr(mark.func, "id", "") == "known" for mark in each.decorator_list)
    return found


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = PAGE.read_text()
        cls.named = set(re.findall(r"`(test_\w+\.\w+\.test_\w+)`", cls.text))
        cls.all = {name: known for path in sorted(FOLDER.glob("test_*.py")) for name, known in tests(path).items()}

    def test_every_row_that_is_named_is_there(self):
        self.assertGreater(len(self.named), 50)
        self.assertEqual(self.named - set(self.all), set())
        faults = set(re.findall(r'Fault\(\s*(?:sabotage: )?"([\w-]+)"', CATALOGUE.read_text()))
        listed = set(re.findall(r"game day `([\w-]+)`", self.text))
        self.assertGreater(len(listed), 20)
        self.assertEqual(listed, faults)

    def test_a_fault_that_is_known_is_told(self):
        known = {name for name in self.named if self.all[name]}
        told = set(re.findall(r"`(test_\w+\.\w+\.test_\w+)` \(known", self.text))
        self.assertEqual(known, told)

    def test_every_row_of_the_matrix_is_named(self):
        rows = {name for path in sorted(FOLDER.glob(OF_THE_MATRIX)) if path != pathlib.Path(__file__) for name in tests(path)}
        self.assertGreater(len(rows), 50)
        self.assertEqual(rows - self.named, set())


if __name__ == "__main__":
    unittest.main()
