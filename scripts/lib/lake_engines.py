"""Other databases over the files of `eco2 export`: chDB (ClickHouse) reads the queries of deploy/lake, Polars answers by expressions.

The SQL of Polars has no windows that end before the row, which the views need, so that `polars_energies` states the same rule in its expressions.
Needs the packages chdb and polars (PyPI).
"""

import json
import re

import polars as pl
from chdb import session

SETTINGS = ("use_hive_partitioning = 1", "aggregate_functions_null_for_empty = 1", "cast_keep_nullable = 1", "join_use_nulls = 1",
              "prefer_column_name_to_alias = 1")
"""What ClickHouse does otherwise than standard SQL: an empty window is 0, a cast and an outer join lose NULL, an alias hides the column of its name."""
TABLES = ("runs", "counters", "intervals", "days")


class ChDb:
    """A database with the views of deploy/lake."""

    def __init__(self, lake, queries):
        self.session, self.queries = session.Session(), queries
        self.session.query("CREATE DATABASE lake")
        for setting in (*SETTINGS, None):
            self.session.query(f"SET {setting}" if setting else "USE lake")
        for table in TABLES:
            self.session.query(f"CREATE VIEW {table}_files AS SELECT * FROM file('{lake}/{table}/*/*/*.parquet', Parquet)")
        for statement in self.statements("views"):
            self.session.query(statement)

    def statements(self, name):
        """Returns the statements of a file."""
        text = re.sub(r"^--.*$", "", (self.queries / f"{name}.sql").read_text(), flags=re.M)
        return [statement for statement in text.split(";") if statement.strip()]

    def answer(self, name):
        """Returns the rows of a query; whole numbers as such."""
        (statement,) = self.statements(name)
        rows = json.loads(str(self.session.query(statement, "JSONCompact")))["data"]
        return [[int(value) if isinstance(value, str) and value.isdigit() else value for value in row] for row in rows]


def newest_counters(lake):
    """Returns the counters of the last version of each record."""
    counters = pl.scan_parquet(f"{lake}/counters/*/*/*.parquet", hive_partitioning=True)
    order = ["is_final", "run_duration_ns", "record"]
    last = counters.sort(order, descending=True).group_by("part", "node", maintain_order=True).agg(pl.col("record").first().alias("last"))
    rank = pl.col("quality").replace_strict({"measured": 0, "derived": 1, "estimated": 2}, default=3, return_dtype=pl.Int64)
    return counters.join(last, on=["part", "node"]).filter(pl.col("record") == pl.col("last"), pl.col("is_summed")).select(
        "counter", "node", "run_id", "device", rank.alias("rank"))


def polars_energies(lake, of, within):
    """Returns the energy by the column `of`, microjoules. Each instant of a counter counts once among the rows with equal columns `within`."""
    intervals = pl.scan_parquet(f"{lake}/intervals/*/*/*.parquet", hive_partitioning=True).select("counter", "from_ns", "to_ns", "energy_uj").unique()
    rows = intervals.join(newest_counters(lake), on="counter").sort("from_ns", -pl.col("to_ns"), "rank", -pl.col("energy_uj"), "counter")
    covered, part = pl.col("covered_ns"), pl.col("covered_ns") - pl.col("from_ns")
    counted = (pl.col("energy_uj") * (part / (pl.col("to_ns") - pl.col("from_ns")))).floor().cast(pl.Int64)
    rest = (pl.when(covered.is_null() | (covered <= pl.col("from_ns"))).then(pl.col("energy_uj"))
            .when(covered >= pl.col("to_ns")).then(0).otherwise(pl.col("energy_uj") - counted))
    rows = rows.with_columns(pl.col("to_ns").cum_max().shift(1).over(within).alias("covered_ns"))
    return dict(rows.group_by(of).agg(rest.sum()).collect().rows())


def compare(check, lake, queries, node_uj, run_uj):
    """Compares the answers of both with the fleet's own sums."""
    found = ChDb(lake, queries)
    check("chDB: energy by node", {node: (uj, unknown) for node, _, uj, unknown in found.answer("energy-by-node")}, {node: (uj, 0) for node, uj in node_uj.items()})
    check("chDB: energy by run", {run: (uj, unknown) for run, _, uj, unknown in found.answer("energy-by-job")}, {run: (uj, 0) for run, uj in run_uj.items()})
    check("chDB: energy by day", sum(uj for _, uj, _, _ in found.answer("emissions-by-day")), sum(node_uj.values()))
    check("Polars: energy by node", polars_energies(lake, "node", ["node", "device"]), node_uj)
    check("Polars: energy by run", polars_energies(lake, "run_id", ["run_id", "node", "device"]), run_uj)
