/* erp-server/finance/company.c -- the company itself and the currencies it deals in. */
#include "erp.h"

struct entity company_entity = {
	.name = "company",
	.path = "companies",
	.text = "The one whose books these are.",
	.read = "*",
	.write = "finance",
};

struct entity currency_entity = {
	.name = "currency",
	.path = "currencies",
	.text = "What amounts are counted in.",
	.read = "*",
	.write = "finance",
	.search = "code name",
};
