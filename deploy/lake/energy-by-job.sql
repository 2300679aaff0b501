-- Energy of each run on all its nodes, microjoules: what `eco2 merge RUN` has as its total. The run id of a SLURM job begins with `slurm-`.
-- `unknown_counters`: counters without a reading; if there is one, the energy is "at least".
SELECT
    run_id,
    CAST(count(DISTINCT node) AS BIGINT) AS nodes,
    CAST(sum(energy_uj) AS BIGINT) AS energy_uj,
    CAST(sum(CASE WHEN energy_uj IS NULL THEN 1 ELSE 0 END) AS BIGINT) AS unknown_counters
FROM (
    SELECT run_id, node, energy_uj FROM counters WHERE is_summed AND NOT is_shared_in_run
    UNION ALL
    SELECT run_id, node, energy_uj FROM counted_in_run WHERE is_shared_in_run
    UNION ALL
    SELECT run_id, node, NULL FROM counters WHERE is_summed AND is_shared_in_run AND energy_uj IS NULL
) AS energies
GROUP BY run_id
ORDER BY run_id;
