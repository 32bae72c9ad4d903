-- common/app/vitals.sql -- how the database under this schema is doing, for /metrics.
-- Who holds the oldest snapshot: sessions (their start shows only where this role may see it),
-- prepared transactions and replication slots.
WITH holder AS (
	SELECT backend_xmin AS xmin, xact_start AS since FROM pg_stat_activity
	WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND datname = current_database()
	UNION ALL
	SELECT backend_xid, xact_start FROM pg_stat_activity
	WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid() AND datname = current_database()
	UNION ALL
	SELECT transaction, prepared FROM pg_prepared_xacts WHERE database = current_database()
	UNION ALL
	SELECT coalesce(xmin, catalog_xmin), NULL FROM pg_replication_slots
	WHERE coalesce(xmin, catalog_xmin) IS NOT NULL
), oldest AS (
	SELECT xmin, since FROM holder WHERE age(xmin) > 0 ORDER BY age(xmin) DESC, since LIMIT 1
)
SELECT (SELECT xmin::text FROM oldest) AS xmin,
	(SELECT floor(extract(epoch FROM clock_timestamp() - since) * 1000000)::bigint
	 FROM oldest) AS xmin_us,
	floor(pg_notification_queue_usage() * 1000000)::bigint AS notify,
	floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now_us,
	(SELECT count(*) FROM schema_migration) AS migrations
