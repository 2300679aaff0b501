-- The tables of `eco2 export --parquet DIR` for DuckDB, to be read in the folder DIR. Then read views.sql, and any of the other files.
CREATE OR REPLACE VIEW runs_files AS SELECT * FROM read_parquet('runs/**/*.parquet', union_by_name = true, hive_partitioning = true, hive_types_autocast = false);
CREATE OR REPLACE VIEW counters_files AS SELECT * FROM read_parquet('counters/**/*.parquet', union_by_name = true, hive_partitioning = true, hive_types_autocast = false);
CREATE OR REPLACE VIEW intervals_files AS SELECT * FROM read_parquet('intervals/**/*.parquet', union_by_name = true, hive_partitioning = true, hive_types_autocast = false);
CREATE OR REPLACE VIEW days_files AS SELECT * FROM read_parquet('days/**/*.parquet', union_by_name = true, hive_partitioning = true, hive_types_autocast = false);
