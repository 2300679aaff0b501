-- Joins the files of `eco2 export` to one per table and day, in the folder `compact`: a database opens each file, and a fleet has thousands a day.
-- To be read in the folder DIR after duckdb.sql, with a folder DIR/compact, whose tables it replaces. Then read duckdb.sql and views.sql again in
-- DIR/compact.
COPY (SELECT * FROM runs_files) TO 'compact/runs' (FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, PARTITION_BY (day), OVERWRITE);
COPY (SELECT * FROM counters_files) TO 'compact/counters' (FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, PARTITION_BY (day), OVERWRITE);
COPY (SELECT * FROM intervals_files) TO 'compact/intervals' (FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, PARTITION_BY (day), OVERWRITE);
COPY (SELECT * FROM days_files) TO 'compact/days' (FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, PARTITION_BY (day), OVERWRITE);
