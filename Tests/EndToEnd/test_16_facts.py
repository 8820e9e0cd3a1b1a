"""What the promises stand on, played on real mariadbd and real members of galera clusters: the same lists of scripts that the
simulator's model answers."""

import pathlib
import shutil
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor

import facts
import galera_facts

# In memory where there is some: each script copies three data directories.
SHARED_MEMORY = pathlib.Path("/dev/shm")
AT_ONCE = 2
NETWORK = 70
GALERA_NETWORK = 72


class Facts(unittest.TestCase):
    def test_every_fact_is_one_of_mariadb(self):
        self.play(self.wanted(facts.LIST), facts.template, facts.Trio, NETWORK)

    @unittest.skipUnless(galera_facts.PROVIDER, "galera-4 is not installed")
    def test_every_fact_is_one_of_galera(self):
        self.play(self.wanted(galera_facts.LIST), galera_facts.template, galera_facts.Group, GALERA_NETWORK)

    def play(self, wanted, make_template, make, network):
        directory = tempfile.mkdtemp(prefix="ek-facts.", dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None)
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        pathlib.Path(directory).chmod(0o755)
        template = make_template(directory)

        def play(pair):
            place, fact = pair
            trio = make(template, network + place % AT_ONCE, fact.names)
            try:
                return trio.play(fact)
            finally:
                trio.end()

        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = list(pool.map(play, enumerate(wanted)))
        for fact, problem in zip(wanted, answers):
            with self.subTest(fact.name):
                self.assertIsNone(problem)

    def wanted(self, path):
        return facts.Fact.all(path)


if __name__ == "__main__":
    unittest.main()
