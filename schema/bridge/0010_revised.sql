-- schema/bridge/0010_revised.sql -- a comparison tells what the target has revised by its own right.

ALTER TABLE reconciliation_route ADD COLUMN revised int NOT NULL DEFAULT 0;
COMMENT ON COLUMN reconciliation_route.revised IS
	'Revised: records that the target has changed by its own right since; no drift, and not counted as such.';
