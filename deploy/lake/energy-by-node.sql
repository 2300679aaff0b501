-- Energy of each node between two boots, microjoules. Every counter counts once, also if several runs read it. A node is a boot id: two nodes
-- with one host name are two rows. `unknown_counters`: counters without a reading; if there is one, the energy is "at least".
SELECT
    node,
    max(hostname) AS hostname,
    CAST(sum(energy_uj) AS BIGINT) AS energy_uj,
    CAST(sum(CASE WHEN energy_uj IS NULL THEN 1 ELSE 0 END) AS BIGINT) AS unknown_counters
FROM (
    SELECT node, hostname, energy_uj FROM counters WHERE is_summed AND NOT is_shared
    UNION ALL
    SELECT node, hostname, energy_uj FROM counted WHERE is_shared
    UNION ALL
    SELECT node, hostname, NULL FROM counters WHERE is_summed AND is_shared AND energy_uj IS NULL
) AS energies
GROUP BY node
ORDER BY node;
