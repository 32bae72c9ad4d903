"""tests/support/topology.py -- bridge.json for several CRMs and ERPs, made from the one for two."""
import copy

ROUTED_BY = {"account": "company", "opportunity": "account_company"}


def routes_between(routes, crm, erp, suffix="", company=None):
    """All routes of one pair of systems; company: which accounts and deals go to this ERP."""
    made = copy.deepcopy(routes)
    for route in made:
        route["name"] += suffix
        route["from"] = {"crm": crm, "erp": erp}[route["from"]]
        route["to"] = {"crm": crm, "erp": erp}[route["to"]]
        if company and route["entity"] in ROUTED_BY:
            ours = f'.record.{ROUTED_BY[route["entity"]]} == "{company}"'
            route["when"] = f'({route["when"]}) and {ours}' if "when" in route else ours
            route["skip_reason"] = f"not served by the company {company}"
    return made


def one_crm_two_erps(config):
    """Accounts and deals by company, products to both."""
    routes = config["routes"]
    config["routes"] = (routes_between(routes, "crm", "erp", company="east")
                        + routes_between(routes, "crm", "erp2", "-erp2", company="west"))


def two_crms_two_erps(config):
    """The second CRM feeds the first ERP alone."""
    routes = routes_between(config["routes"], "crm2", "erp", "-crm2")
    one_crm_two_erps(config)
    config["routes"] += routes


def two_crms_one_erp(config):
    config["routes"] = (config["routes"]
                        + routes_between(config["routes"], "crm2", "erp", "-crm2"))
