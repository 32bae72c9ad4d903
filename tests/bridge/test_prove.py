"""tests/bridge/test_prove.py -- the proof holds for a healthy pair, not for what is planted."""
import json
import subprocess

import pytest
from conftest import end_stack, new_stack
from waiting import idle


@pytest.fixture(scope="module")
def pair():
    stack = new_stack(options={"bridge": {"reconcile-rate": "0"}})
    try:
        stack.start()
        crm, bridge = stack.api("crm"), stack.api("bridge")
        product = crm.post("/products", {"sku": "P-1", "name": "Part", "list_price": "4.50"})
        for n in range(3):
            account = crm.post("/accounts", {"name": f"Buyer {n}", "type": "customer"})
            deal = crm.post("/opportunities", {
                "account_id": account["id"], "name": "Deal", "close_date": "2026-12-01",
                "lines": [{"product_id": product["id"], "quantity": "3", "unit_price": "4.50"}]})
            crm.post(f"/opportunities/{deal['id']}/win")
            crm.patch(f"/accounts/{account['id']}", {"phone": str(n)})
        crm.post("/accounts", {"name": "Only asking"})
        idle(bridge)
        yield stack
    finally:
        end_stack(stack)


def prove(stack, status):
    done = subprocess.run([stack.bin / "sync-bridge", "--config", stack.config_path("bridge"),
                           "prove", "--json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stdout + done.stderr
    return json.loads(done.stdout)


def routes(proof):
    return {route["route"]: route for route in proof["routes"]}


def says(proof, *words):
    return any(all(word in example for word in words) for example in proof["examples"])


def test_a_healthy_pair_is_proved_with_the_numbers_behind_it(pair):
    proof = prove(pair, 0)
    assert proof["holds"] and proof["examples"] == []
    assert proof["events"] == proof["effects"] == sum(
        int(pair.sql(f"SELECT count(*) FROM {schema}.event WHERE {taken}"))
        for schema, taken in (
            ("crm", "origin <> 'bridge' AND (entity IN ('account', 'product')"
                    " OR type = 'opportunity.won')"),
            ("erp", "entity IN ('sales_order', 'delivery', 'invoice', 'customer', 'item')")))
    assert (proof["duplicates"], proof["gaps"], proof["drift"]) == (0, 0, 0)
    orders = routes(proof)["opportunity-order"]
    assert (orders["events"], orders["applied"], orders["targets"]) == (3, 3, 3)
    assert routes(proof)["account-customer"]["skipped"] > 0
    assert proof["comparison"]["rows_compared"] > 20


def test_the_table_says_it_in_one_line(pair):
    done = subprocess.run([pair.bin / "sync-bridge", "--config", pair.config_path("bridge"),
                           "prove"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "proved: every change has had its one effect" in done.stdout
    assert "duplicates  0" in done.stdout


# What is planted, what takes it back, and what the proof then says.
PLANTED = {
    "gap": ("""CREATE TABLE bridge.kept AS SELECT * FROM bridge.message
                   WHERE entity = 'account' AND source_id = 1;
               DELETE FROM bridge.message WHERE entity = 'account' AND source_id = 1""",
            """INSERT INTO bridge.message OVERRIDING SYSTEM VALUE TABLE bridge.kept;
               DROP TABLE bridge.kept""",
            "gaps", ("crm:account:1 version 1", "never took this way")),
    "lost on its way": ("""UPDATE bridge.message SET state = 'superseded' WHERE
                               entity = 'opportunity' AND source_id = 1""",
                        """UPDATE bridge.message SET state = 'applied' WHERE
                               entity = 'opportunity' AND source_id = 1""",
                        "gaps", ("crm:opportunity:1",)),
    "linked twice": ("""INSERT INTO bridge.link (left_ref, right_ref, route, mirror, source_version)
                        VALUES ('crm:account:1', 'erp:customer:777', 'account-customer', false,
                                1)""",
                     "DELETE FROM bridge.link WHERE right_ref = 'erp:customer:777'",
                     "duplicates", ("crm:account:1 is", "erp:customer:777")),
    "applied twice": ("""INSERT INTO bridge.message (version, route, source, event_id, type, entity,
                             source_id, state, finished_at, body)
                         SELECT version, route, source, 'twice', type, entity, source_id, state,
                             finished_at, body FROM bridge.message WHERE entity = 'opportunity'
                             AND source_id = 1 AND state = 'applied'""",
                      "DELETE FROM bridge.message WHERE event_id = 'twice'",
                      "duplicates", ("crm:opportunity:1 version", "was applied by messages")),
    "two records of one reference": (
        """ALTER TABLE crm.erp_item DROP CONSTRAINT erp_item_external_ref_key;
           INSERT INTO crm.erp_item (external_ref, source_version, product_id, on_hand)
               SELECT external_ref, source_version, product_id, on_hand FROM crm.erp_item""",
        """DELETE FROM crm.erp_item WHERE id > (SELECT min(id) FROM crm.erp_item);
           ALTER TABLE crm.erp_item
               ADD CONSTRAINT erp_item_external_ref_key UNIQUE (external_ref)""",
        "duplicates", ("erp:item:1 is at crm twice",)),
    "drift": ("UPDATE erp.customer SET phone = '999' WHERE external_ref = 'crm:account:1'",
              "UPDATE erp.customer SET phone = '0' WHERE external_ref = 'crm:account:1'",
              "drift", ("crm:account:1 differs", "phone: 0 and 999")),
}


@pytest.mark.parametrize("what", PLANTED)
def test_the_proof_fails_and_names_what_was_planted(pair, what):
    plant, take_back, counted, words = PLANTED[what]
    pair.sql(plant)
    proof = prove(pair, 1)
    pair.sql(take_back)
    assert not proof["holds"] and proof[counted] > 0, proof
    assert says(proof, *words), proof["examples"]


def test_a_target_that_is_behind_its_messages_is_named(pair):
    pair.sql("UPDATE erp.customer SET source_version = source_version - 1"
             " WHERE external_ref = 'crm:account:2'")
    proof = prove(pair, 1)
    pair.sql("UPDATE erp.customer SET source_version = source_version + 1"
             " WHERE external_ref = 'crm:account:2'")
    assert routes(proof)["account-customer"]["behind"] == 1
    assert says(proof, "instead of", "crm:account:2")


def test_it_does_not_hold_while_something_is_under_way(pair):
    erp, crm = pair.api("erp"), pair.api("crm")
    pair.sql("UPDATE bridge.message SET state = 'waiting', waiting_for = 'erp:nothing:1',"
             " next_at = now() + interval '1 hour', finished_at = NULL WHERE id ="
             " (SELECT max(id) FROM bridge.message WHERE entity = 'product')")
    proof = prove(pair, 1)
    assert proof["queues_before"]["open_messages"] == 1
    assert says(proof, "1 messages are not finished")
    pair.sql("UPDATE bridge.message SET state = 'received', waiting_for = NULL, next_at = NULL"
             " WHERE waiting_for IS NOT NULL")
    idle(pair.api("bridge"))
    erp.close()
    crm.close()
    assert prove(pair, 0)["holds"]
