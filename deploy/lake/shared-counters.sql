-- Runs that read the same counters at the same time: their energies may not be added. Runs are in pairs.
SELECT a.run_id AS run, b.run_id AS other_run, a.node, CAST(count(*) AS BIGINT) AS counters
FROM counters AS a
JOIN counters AS b
    ON a.node = b.node AND a.device = b.device AND a.run_id < b.run_id AND a.from_ns < b.to_ns AND b.from_ns < a.to_ns
WHERE a.is_summed AND b.is_summed
GROUP BY a.run_id, b.run_id, a.node
ORDER BY run, other_run, a.node;
