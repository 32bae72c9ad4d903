-- schema/erp/0006_seed.sql -- what every company starts with: currencies, a warehouse, accounts and rules.

INSERT INTO currency (code, minor_unit, name) VALUES
	('USD', 2, 'US dollar'), ('EUR', 2, 'Euro'), ('GBP', 2, 'Pound sterling'),
	('JPY', 0, 'Yen'), ('CNY', 2, 'Yuan renminbi'), ('CHF', 2, 'Swiss franc'),
	('CAD', 2, 'Canadian dollar'), ('AUD', 2, 'Australian dollar'),
	('NZD', 2, 'New Zealand dollar'), ('SEK', 2, 'Swedish krona'),
	('NOK', 2, 'Norwegian krone'), ('DKK', 2, 'Danish krone'), ('ISK', 0, 'Iceland krona'),
	('PLN', 2, 'Zloty'), ('CZK', 2, 'Czech koruna'), ('HUF', 2, 'Forint'),
	('RON', 2, 'Romanian leu'), ('BGN', 2, 'Bulgarian lev'), ('TRY', 2, 'Turkish lira'),
	('UAH', 2, 'Hryvnia'), ('ILS', 2, 'New Israeli sheqel'), ('AED', 2, 'UAE dirham'),
	('SAR', 2, 'Saudi riyal'), ('ZAR', 2, 'Rand'), ('EGP', 2, 'Egyptian pound'),
	('NGN', 2, 'Naira'), ('KES', 2, 'Kenyan shilling'), ('INR', 2, 'Indian rupee'),
	('PKR', 2, 'Pakistan rupee'), ('SGD', 2, 'Singapore dollar'),
	('HKD', 2, 'Hong Kong dollar'), ('TWD', 2, 'New Taiwan dollar'), ('KRW', 0, 'Won'),
	('THB', 2, 'Baht'), ('MYR', 2, 'Malaysian ringgit'), ('IDR', 2, 'Rupiah'),
	('PHP', 2, 'Philippine peso'), ('VND', 0, 'Dong'), ('BRL', 2, 'Brazilian real'),
	('MXN', 2, 'Mexican peso'), ('ARS', 2, 'Argentine peso'), ('CLP', 0, 'Chilean peso'),
	('COP', 2, 'Colombian peso'), ('PEN', 2, 'Sol');

INSERT INTO company (name) VALUES ('My company');

INSERT INTO price_list (name) VALUES ('Standard');

INSERT INTO warehouse (code, name, is_default) VALUES ('MAIN', 'Main warehouse', true);

INSERT INTO location (warehouse_id, code, name, kind)
	SELECT w.id, v.code, v.name, v.kind::location_kind
	FROM warehouse w, (VALUES
		('STOCK', 'Storage', 'storage'),
		('IN', 'Goods in', 'input'),
		('OUT', 'Goods out', 'output')
	) v (code, name, kind);

INSERT INTO location (code, name, kind) VALUES
	('CUSTOMER', 'With customers', 'customer'),
	('SUPPLIER', 'With suppliers', 'supplier'),
	('PRODUCTION', 'In production', 'production'),
	('LOSS', 'Found and lost', 'inventory_loss');

INSERT INTO ledger_account (code, name, kind, receivable) VALUES
	('1000', 'Bank', 'asset', false),
	('1100', 'Accounts receivable', 'asset', true),
	('1300', 'Inventory', 'asset', false),
	('2100', 'Unapplied cash', 'liability', false),
	('2200', 'Tax payable', 'liability', false),
	('3000', 'Opening equity', 'equity', false),
	('4000', 'Revenue', 'income', false),
	('5000', 'Cost of goods sold', 'expense', false),
	('5900', 'Inventory adjustment', 'expense', false),
	('6900', 'Rounding', 'expense', false);

INSERT INTO posting_rule (document, role, side, ledger_account_id, position)
	SELECT v.document::posting_rule_document, v.role, v.side::posting_rule_side, a.id, v.position
	FROM (VALUES
		('invoice', 'total', 'debit', '1100', 0),
		('invoice', 'net', 'credit', '4000', 1),
		('invoice', 'tax', 'credit', '2200', 2),
		('credit_note', 'net', 'debit', '4000', 0),
		('credit_note', 'tax', 'debit', '2200', 1),
		('credit_note', 'total', 'credit', '1100', 2),
		('delivery', 'cost', 'debit', '5000', 0),
		('delivery', 'cost', 'credit', '1300', 1),
		('stock_gain', 'value', 'debit', '1300', 0),
		('stock_gain', 'value', 'credit', '5900', 1),
		('stock_loss', 'value', 'debit', '5900', 0),
		('stock_loss', 'value', 'credit', '1300', 1),
		('payment', 'received', 'debit', '1000', 0),
		('payment', 'allocated', 'credit', '1100', 1),
		('payment', 'unapplied', 'credit', '2100', 2),
		('allocation', 'allocated', 'debit', '2100', 0),
		('allocation', 'allocated', 'credit', '1100', 1)
	) v (document, role, side, account, position)
	JOIN ledger_account a ON a.code = v.account;
