"""Mutation testing: change one thing in the library, and a test must fail.

``python tests/mutants.py``          all mutants anew
``python tests/mutants.py --again``  only those that survived last time, after a test was written

mutmut makes the mutants, of the files that `pyproject.toml` names, and runs for each function the
tests that reach it. A mutant that no test kills is either a gap in the tests or does what the
original does; the latter are listed, with the reason, in `equivalent_mutants.toml`. What survives
and is not listed there, and what is listed there and does not survive, makes this command fail.

mutmut changes what stands in functions, default arguments too. It leaves out properties, what
stands in a class outside of its methods, and texts of errors that fill lines of their own. And a
mutant is put in place after the test files have been imported: an object that they make outside of
a test, such as a layer among parameters, was made by the original.
"""

import argparse
import collections
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

TESTS = Path(__file__).parent
MUTMUT = shutil.which("mutmut", path=Path(sys.executable).parent) or "mutmut"


def mutmut(*arguments, **options):
    """Run mutmut from the top of the repository; one thread, since matrices are tiny."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        [MUTMUT, *arguments], cwd=TESTS.parent, env=environment, check=True, text=True, **options
    )


def results():
    """Return the status of every mutant by its name, such as killed or survived."""
    lines = mutmut("results", "--all", "True", stdout=subprocess.PIPE).stdout.splitlines()
    return dict(line.strip().rsplit(": ", 1) for line in lines)


def change(name):
    """Return where a mutant is, and the lines that it takes out and puts in, without indentation.

    Where is the module and the function: ``layers.dense.Dense.backward``.
    """
    diff = mutmut("show", name, stdout=subprocess.PIPE).stdout.splitlines()[3:]
    out, into = (
        "\n".join(line[1:].strip() for line in diff if line.startswith(sign)) for sign in "-+"
    )
    return place(name), out, into


def place(name):
    """``minigan.layers.dense.xǁDenseǁbackward__mutmut_3`` → ``layers.dense.Dense.backward``."""
    function = name.partition("__mutmut_")[0].removeprefix("minigan.")
    return function.replace("xǁ", "").replace("ǁ", ".").replace(".x_", ".")


def listed():
    """Return what `equivalent_mutants.toml` lists, each (where, was, is)."""
    entries = tomllib.loads((TESTS / "equivalent_mutants.toml").read_text("utf-8"))["mutant"]
    return {
        (where, e["was"], mutated) for e in entries for where in e["where"] for mutated in e["is"]
    }


def main():
    """Run mutmut, print a table of files and whatever is unexplained."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--again", action="store_true", help="only last time's survivors")
    parser.add_argument("--jobs", default=str(os.cpu_count()), help="mutants tested at a time")
    arguments = parser.parse_args()

    survivors = []
    if arguments.again:
        survivors = [name for name, status in results().items() if status != "killed"]
        # Which test reaches which function is found out anew.
        (TESTS.parent / "mutants" / "mutmut-stats.json").unlink(missing_ok=True)
    else:
        shutil.rmtree(TESTS.parent / "mutants", ignore_errors=True)
    mutmut("run", "--max-children", arguments.jobs, *survivors)

    explained, seen, unexplained = listed(), set(), []
    table = collections.defaultdict(collections.Counter)
    for name, status in results().items():
        module = re.split(r"\.x[_ǁ]", name)[0]
        if status not in ("killed", "timeout"):
            where, was, mutated = change(name)
            if (where, was, mutated) in explained:
                status = "equivalent"
                seen.add((where, was, mutated))
            else:
                unexplained.append(f"{name}: {status}\n- {was}\n+ {mutated}")
                status = "unexplained"
        table[module][status] += 1

    columns = ("killed", "timeout", "equivalent", "unexplained")
    table["all"] = sum(table.values(), collections.Counter())
    print(f"{'':28}{'mutants':>9}", *(f"{column:>12}" for column in columns))
    for module, counts in table.items():
        print(f"{module:28}{counts.total():>9}", *(f"{counts[column]:>12}" for column in columns))
    stale = [
        f"listed, but does not survive: {where}: {was} → {mutated}"
        for where, was, mutated in sorted(explained - seen)
    ]
    print(*unexplained, *stale, sep="\n\n")
    return 1 if unexplained or stale else 0


if __name__ == "__main__":
    sys.exit(main())
