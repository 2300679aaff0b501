-- Energy and location-based emissions of all nodes by UTC day: energy with the facility's overhead (PUE) times the carbon intensity of its time.
-- `unpriced_uj`: energy without an intensity, which is in no grams. `grams` is NULL where nothing was priced.
SELECT
    day,
    CAST(sum(energy_uj) AS BIGINT) AS energy_uj,
    sum(energy_uj * coalesce(pue, 1) * g_per_kwh / 3.6e12) AS grams,
    CAST(sum(CASE WHEN g_per_kwh IS NULL THEN energy_uj ELSE 0 END) AS BIGINT) AS unpriced_uj
FROM (
    SELECT day, energy_uj, g_per_kwh, pue FROM unshared_days
    UNION ALL
    SELECT day, energy_uj, g_per_kwh, pue FROM counted WHERE is_shared
    UNION ALL
    SELECT day, energy_uj, g_per_kwh, pue FROM readings WHERE NOT is_shared AND NOT has_days
) AS energies
GROUP BY day
ORDER BY day;
