-- Views over the files of a lake: the last version of each record, and energy of which every instant of every counter counts once.

-- A record that was exported while it ran, and again at its end, has two versions. Copies of a record are equal rows.
CREATE OR REPLACE VIEW runs AS
SELECT * FROM (
    SELECT *, row_number() OVER (PARTITION BY part, node ORDER BY is_final DESC, duration_ns DESC, total_uj DESC) AS newest
    FROM runs_files
) AS versions
WHERE newest = 1;

-- `is_shared`: another record, of any run, has the same counter at the same time; `is_shared_in_run`: another record of the same run.
-- `has_days`: its sums by day were exported too, which builds before version 0.2.0 did not.
CREATE OR REPLACE VIEW counters AS
SELECT
    neighbours.*,
    dated.counter IS NOT NULL AS has_days,
    coalesce(before_ns > from_ns, FALSE) OR coalesce(after_ns < to_ns, FALSE) AS is_shared,
    coalesce(before_in_run_ns > from_ns, FALSE) OR coalesce(after_in_run_ns < to_ns, FALSE) AS is_shared_in_run
FROM (
    SELECT
        *,
        max(to_ns) OVER (PARTITION BY node, device ORDER BY from_ns, to_ns, counter
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before_ns,
        min(from_ns) OVER (PARTITION BY node, device ORDER BY from_ns, to_ns, counter
            ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS after_ns,
        max(to_ns) OVER (PARTITION BY run_id, node, device ORDER BY from_ns, to_ns, counter
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before_in_run_ns,
        min(from_ns) OVER (PARTITION BY run_id, node, device ORDER BY from_ns, to_ns, counter
            ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS after_in_run_ns
    FROM (
        SELECT *, rank() OVER (PARTITION BY part, node ORDER BY is_final DESC, run_duration_ns DESC, record DESC) AS newest
        FROM counters_files
    ) AS versions
    WHERE newest = 1
) AS neighbours
LEFT JOIN (SELECT DISTINCT counter FROM days_files) AS dated ON neighbours.counter = dated.counter;

-- The intervals of the devices that are in totals, with what is known of their counters; of one cutting of each record.
CREATE OR REPLACE VIEW readings AS
SELECT DISTINCT
    i.counter AS counter, i.from_ns AS from_ns, i.to_ns AS to_ns, i.day AS day, i.energy_uj AS energy_uj, i.g_per_kwh,
    c.node AS node, c.hostname, c.run_id, c.device, c.component, c.pue, c.is_shared, c.is_shared_in_run, c.has_days,
    CASE c.quality WHEN 'measured' THEN 0 WHEN 'derived' THEN 1 WHEN 'estimated' THEN 2 ELSE 3 END AS quality_rank
FROM intervals_files AS i
JOIN counters AS c ON i.counter = c.counter
WHERE c.is_summed;

-- The sums of a day of the counters that no other record has at the same time, by carbon intensity; each row once, also of copied files.
CREATE OR REPLACE VIEW unshared_days AS
SELECT DISTINCT d.counter AS counter, d.day AS day, d.energy_uj AS energy_uj, d.g_per_kwh AS g_per_kwh, c.pue AS pue
FROM days_files AS d
JOIN counters AS c ON d.counter = c.counter
WHERE c.is_summed AND NOT c.is_shared;

-- Energy over time in which each instant of each counter counts once. `covered_ns`: until when earlier rows have counted. Of an interval
-- of which a part has counted, the rest is taken in proportion.
CREATE OR REPLACE VIEW counted AS
SELECT
    node, hostname, run_id, device, component, day, g_per_kwh, pue, TRUE AS is_shared,
    CASE
        WHEN covered_ns IS NULL OR covered_ns <= from_ns THEN energy_uj
        WHEN covered_ns >= to_ns THEN 0
        ELSE energy_uj - CAST(floor(energy_uj * (CAST(covered_ns - from_ns AS DOUBLE) / (to_ns - from_ns))) AS BIGINT)
    END AS energy_uj
FROM (
    SELECT *, max(to_ns) OVER (PARTITION BY node, device ORDER BY from_ns, to_ns DESC, quality_rank, energy_uj DESC, counter
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS covered_ns
    FROM readings WHERE is_shared
) AS shared
UNION ALL
SELECT node, hostname, run_id, device, component, day, g_per_kwh, pue, FALSE AS is_shared, energy_uj FROM readings WHERE NOT is_shared;

-- The same within each run: a counter that two runs read at one time counts in both.
CREATE OR REPLACE VIEW counted_in_run AS
SELECT
    node, hostname, run_id, device, component, day, g_per_kwh, pue, TRUE AS is_shared_in_run,
    CASE
        WHEN covered_ns IS NULL OR covered_ns <= from_ns THEN energy_uj
        WHEN covered_ns >= to_ns THEN 0
        ELSE energy_uj - CAST(floor(energy_uj * (CAST(covered_ns - from_ns AS DOUBLE) / (to_ns - from_ns))) AS BIGINT)
    END AS energy_uj
FROM (
    SELECT *, max(to_ns) OVER (PARTITION BY run_id, node, device ORDER BY from_ns, to_ns DESC, quality_rank, energy_uj DESC, counter
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS covered_ns
    FROM readings WHERE is_shared_in_run
) AS shared
UNION ALL
SELECT node, hostname, run_id, device, component, day, g_per_kwh, pue, FALSE AS is_shared_in_run, energy_uj FROM readings WHERE NOT is_shared_in_run;
