-- Host names that several nodes had at the same time, such as copies of a machine: a sum by host name would mix them.
SELECT a.hostname, a.node, b.node AS other_node
FROM runs AS a
JOIN runs AS b ON a.hostname = b.hostname AND a.node < b.node AND a.started_at < b.ended_at AND b.started_at < a.ended_at
GROUP BY a.hostname, a.node, b.node
ORDER BY a.hostname, a.node, other_node;
