"""The table of a study: a row a variant, or the differences between variants, in each format."""

import csv
import io
import json
from dataclasses import dataclass

from eigenkd._intervals import ANYWHERE, in_words, t_interval
from eigenkd.table import Cells, written
from validation.studies.study import Variant


@dataclass(frozen=True)
class Row:
    """A variant of a study with its finished runs, in the order of seeds. base: the row that is subtracted from it, run
    by run of the same seed."""

    variant: Variant
    found: list
    base: "Row | None" = None

    def values(self, quantity):
        """A number a run, those that are undetermined left out."""
        return [value for value in self.by_seed(quantity).values() if value is not None]

    def by_seed(self, quantity):
        """{seed: number or None}. Raises UsageError where a run's result was made before the quantity was measured."""
        mine = {one.seed: quantity.of_run(one) for one in self.found}
        if self.base is None:
            return mine
        other = self.base.by_seed(quantity)
        return {seed: None if None in (mine[seed], other[seed]) else mine[seed] - other[seed] for seed in mine}

    def within(self, quantity):
        """The range that the mean lies in."""
        return quantity.within if self.base is None else ANYWHERE


def differences(rows):
    """Each `Row` but the first, minus the first, of the seeds that both have."""
    base, *others = rows
    seeds = {one.seed for one in base.found}
    return [Row(row.variant, [one for one in row.found if one.seed in seeds], base) for row in others]


def table(study, rows):
    """The study's `Cells`: a row a variant, the mean and Student's 95 % interval over seeds of each quantity; a column
    a variant where there are more than twice as many quantities."""
    cells = []
    for row in rows:
        numbers = (in_words(row.values(quantity), quantity.digits, row.within(quantity))
                   for quantity in study.quantities)
        cells.append((*row.variant.labels, *numbers, str(len(row.found))))
    header = (*study.header, *(quantity.title for quantity in study.quantities), "seeds")
    sources = sorted({one.field("data", "note") for row in rows for one in row.found})
    minus = f" of the differences from {', '.join(rows[0].base.variant.labels)}, seed by seed" if rows[0].base else ""
    note = (f"{study.title}. Mean and Student's 95 % interval over seeds{minus or ', of shares cut at 0 and 100 %'}. "
            f"Data: {'; '.join(sources) or 'none'}.")
    if len(study.quantities) > 2 * len(cells):
        header, *cells = zip(header, *cells)
        return Cells(header, tuple(cells), (note,))
    return Cells(header, tuple(cells), (note,), align="l" * len(study.header))


def as_data(study, rows):
    """The table as a JSON-able list, a mapping a variant, with each run's number by its seed."""
    listed = []
    for row in rows:
        quantities = {}
        for quantity in study.quantities:
            values = row.values(quantity)
            mean, low, high = t_interval(values, row.within(quantity)) if len(values) > 1 else (values or [None]) * 3
            quantities[quantity.title] = {"mean": mean, "low": low, "high": high, "seeds": len(values), "by_seed": {
                str(seed): value for seed, value in row.by_seed(quantity).items()}}
        listed.append(_named(row.variant) | {"quantities": quantities})
    minus = _named(rows[0].base.variant) if rows[0].base else None
    return {"study": study.name, "title": study.title, "minus": minus, "variants": listed}


def _named(variant):
    return {"setting": variant.setting, "values": variant.values}


def as_csv(study, rows):
    """The table with a column for each number: mean, low and high of each quantity."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*study.header, *(f"{quantity.title}{part}" for quantity in study.quantities
                                      for part in ("", " low", " high")), "seeds"])
    for row, variant in zip(rows, as_data(study, rows)["variants"]):
        numbers = [value[part] for value in variant["quantities"].values() for part in ("mean", "low", "high")]
        writer.writerow([*row.variant.labels, *numbers, len(row.found)])
    return file.getvalue().rstrip("\n")


def formatted(study, rows, format):
    """The study's table in one of the formats."""
    if format == "json":
        return json.dumps(as_data(study, rows), indent=1, allow_nan=False)
    return as_csv(study, rows) if format == "csv" else written(table(study, rows), format)
