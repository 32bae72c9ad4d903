-- schema/bridge/0009_buckets.sql -- a comparison adds up more buckets.

COMMENT ON COLUMN reconciliation_route.buckets IS 'Buckets: of 65,536, how many differed at first sight.';
