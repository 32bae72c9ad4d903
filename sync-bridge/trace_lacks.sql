-- sync-bridge/trace_lacks.sql -- how far an order's lines are, in words.
-- $1 the lines as JSON.
WITH line AS (
	SELECT coalesce(sum(quantity), 0) AS ordered, coalesce(sum(delivered), 0) AS delivered,
		coalesce(sum(reserved), 0) AS reserved, coalesce(sum(invoiced), 0) AS invoiced,
		coalesce(sum(lost), 0) AS lost
	FROM json_to_recordset($1::json) AS l (quantity numeric, delivered numeric, reserved numeric,
		invoiced numeric, lost numeric)
)
SELECT CASE WHEN delivered + lost < ordered THEN
		'not shipped: ' || trim_scale(ordered - delivered - lost) || ' of ' || trim_scale(ordered)
		|| ' (' || trim_scale(reserved) || ' of them reserved)' END AS shipping,
	CASE WHEN invoiced + lost < ordered THEN
		'not invoiced: ' || trim_scale(ordered - invoiced - lost) || ' of '
		|| trim_scale(ordered) END AS invoicing
FROM line
