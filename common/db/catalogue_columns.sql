-- common/db/catalogue_columns.sql -- each column of the schema, as entities and forms need it.
SELECT
	c.relname,
	obj_description(c.oid, 'pg_class') AS table_comment,
	a.attname,
	col_description(c.oid, a.attnum) AS comment,
	format_type(a.atttypid, a.atttypmod) AS sql_type,
	b.typname,
	b.typtype,
	CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END AS typmod,
	a.attnotnull OR t.typnotnull AS not_null,
	a.attgenerated = 's' OR a.attidentity = 'a' AS generated,
	CASE
		WHEN a.attidentity <> '' THEN 'identity'
		WHEN a.attgenerated = ''
			THEN coalesce(pg_get_expr(d.adbin, d.adrelid), t.typdefault)
	END AS initial,
	(
		SELECT string_agg(e.enumlabel, E'\n' ORDER BY e.enumsortorder)
		FROM pg_enum e
		WHERE e.enumtypid = b.oid
	) AS choices,
	EXISTS (
		SELECT FROM pg_index i
		WHERE i.indrelid = c.oid AND i.indisunique AND i.indnkeyatts = 1
			AND i.indkey[0] = a.attnum AND i.indpred IS NULL
	) AS is_unique,
	(
		SELECT f.relname
		FROM pg_constraint k
		JOIN pg_class f ON f.oid = k.confrelid
		WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.conkey = ARRAY[a.attnum]
		ORDER BY k.oid
		LIMIT 1
	) AS target
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = current_schema()::regnamespace
	AND c.relkind IN ('r', 'p', 'v')
	AND NOT c.relispartition
ORDER BY c.relname COLLATE "C", a.attnum
