"""What the promises stand on, played on real mariadbd: the same list of scripts that the simulator's model answers."""

import pathlib
import shutil
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor

import facts

# In memory where there is some: each script copies three data directories.
SHARED_MEMORY = pathlib.Path("/dev/shm")
AT_ONCE = 2
NETWORK = 70


class Facts(unittest.TestCase):
    def test_every_fact_is_one_of_mariadb(self):
        directory = tempfile.mkdtemp(prefix="ek-facts.", dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None)
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        pathlib.Path(directory).chmod(0o755)
        template = facts.template(directory)
        wanted = self.wanted()

        def play(pair):
            place, fact = pair
            trio = facts.Trio(template, NETWORK + place % AT_ONCE, fact.names)
            try:
                return trio.play(fact)
            finally:
                trio.end()

        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(play, enumerate(wanted)))
        for fact, problem in zip(wanted, answers):
            with self.subTest(fact.name):
                self.assertIsNone(problem)

    def wanted(self):
        return facts.Fact.all()


if __name__ == "__main__":
    unittest.main()
