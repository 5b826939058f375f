"""python -m tests.validation.flipping FLIPS: flips single bits of run folders at random and reads them in every way.

What a reader says may be what it says of the whole runs, or what it says without the damaged run, which is then named.
Prints a JSON mapping: how many flips changed nothing, how many were named, and the first that did something else.
"""

import json
import random
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

from eigenkd._atomic import sha256
from eigenkd.table import written
from paper_figures import TABLES
from paper_figures.choice import Choice
from validation import runs
from validation.errors import UsageError
from validation.record import COMMITTED, PARTS
from validation.runs import LeftOut

SETTINGS = ("resnet8_digits", "mlp_mnist", "function_space")
READ = ("table2", "table3", "table_eigenspace", "table_gains")


def copied(place):
    """A folder with two seeds of each of `SETTINGS`, from the committed records."""
    for name in SETTINGS:
        for seed in (0, 1):
            shutil.copytree(COMMITTED / name / f"seed{seed}", place / name / f"seed{seed}")
    return place


def said(place, table):
    """(what a reader shows of the runs in `place`, what it names)."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", LeftOut)
        try:
            shown = json.dumps(table(place))
        except UsageError as error:
            shown, why = None, [str(error)]
        else:
            why = []
    return shown, [*(str(one.message) for one in caught), *why]


def results(place):
    return {name: [(run.seed, run.result) for run in runs.find(name, out=place)] for name in SETTINGS}


def arrays(name):
    """A reader of all arrays of the lowest seed."""
    def read(place):
        return {file: [sha256(array.tobytes()) for array in runs.require(name, seeds=0, out=place)[0].arrays(file)]
                for file in PARTS if file.endswith(".npz") and (place / name / "seed0" / file).exists()}

    return read


READERS = {"results": results, **{name: lambda place, name=name: written(TABLES[name].draw(Choice(place)), "text")
                                  for name in READ}}


def campaign(flips, place, seed=0):
    """Flips one bit after the other of copies in `place`: the report of this module's docstring."""
    chance, report = random.Random(seed), {"flips": flips, "harmless": 0, "named": 0, "wrong": []}
    copied(place)
    readers = READERS | {f"arrays of {name}": arrays(name) for name in SETTINGS}
    whole = {name: said(place, reader)[0] for name, reader in readers.items()}
    without = {}
    for folder in sorted(place.glob("*/seed*")):
        away = folder.rename(place / "away")
        without[folder] = {name: said(place, reader)[0] for name, reader in readers.items()}
        away.rename(folder)
    for _ in range(flips):
        folder = chance.choice(list(without))
        path = chance.choice(sorted(path for path in folder.iterdir() if path.is_file()))
        content = path.read_bytes()
        position, bit = chance.randrange(len(content)), chance.randrange(8)
        path.write_bytes(content[:position] + bytes([content[position] ^ 1 << bit]) + content[position + 1:])
        named = False
        for name, reader in readers.items():
            shown, lines = said(place, reader)
            named |= any(str(folder) in line for line in lines)
            absent = shown in (None, without[folder][name]) and any(str(folder) in line for line in lines)
            if shown != whole[name] and not absent:
                report["wrong"].append(f"{name}: {path.relative_to(place)}, bit {bit} of byte {position}: {lines}")
        report["named" if named else "harmless"] += 1
        path.write_bytes(content)
    return report


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as there:
        runs.COMMITTED = Path(there) / "none"
        print(json.dumps(campaign(int(sys.argv[1]), Path(there) / "runs"), indent=1))
