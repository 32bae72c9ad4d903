"""tests/api/test_entity_writes.py -- create, patch, lines, versions, batch and upsert."""
import concurrent.futures
import uuid

from crm_records import account, deal, events, line, product, refused, unique
from waiting import eventually


def test_a_created_record_is_answered_whole_with_its_place_and_version(crm):
    reply = crm.raw("POST", "/accounts", {"name": unique("New")})
    assert reply.status == 201 and reply.headers["etag"] == '"1"'
    assert crm.get(reply.headers["location"]) == reply.json


def test_a_patch_that_changes_nothing_is_no_change(crm):
    made = account(crm, payment_terms_days=14)
    again = crm.patch(f"/accounts/{made['id']}", {"name": made["name"], "payment_terms_days": 14})
    assert again == made
    assert events(crm, f"/accounts/{made['id']}") == ["account.created"]


def test_a_patch_writes_what_it_names_and_null_clears(crm):
    made = account(crm, phone="1", billing_city="Bern")
    changed = crm.patch(f"/accounts/{made['id']}", {"phone": None, "currency": "EUR"})
    assert changed["version"] == 2 and changed["phone"] is None
    assert changed["currency"] == "EUR" and changed["billing_city"] == "Bern"
    refused(lambda: crm.patch(f"/accounts/{made['id']}", {"name": None, "currency": None}),
            422, "name", "currency")


def test_lines_are_replaced_as_one_array(crm):
    made = deal(crm, [line(product(crm)["id"], unit_price=price) for price in ("1", "2", "3")])
    path, [one, two, three] = f"/opportunities/{made['id']}", made["lines"]
    changed = crm.patch(path, {"lines": [
        {"id": three["id"]}, line(product(crm)["id"], unit_price="9"),
        {"id": one["id"], "quantity": "5"}]})
    assert changed["version"] == 2
    assert [item["id"] for item in changed["lines"]][::2] == [three["id"], one["id"]]
    assert [item["unit_price"] for item in changed["lines"]] == ["3.0000", "9.0000", "1.0000"]
    assert changed["lines"][2]["quantity"] == "5.0000" and changed["amount"] == "17.00"
    same = crm.patch(path, {"lines": [{"id": item["id"]} for item in changed["lines"]]})
    assert same["version"] == 2
    refused(lambda: crm.patch(path, {"lines": [{"id": two["id"]}, {"id": one["id"]},
                                               {"id": one["id"]}]}),
            422, "lines[0].id", "lines[2].id")


def test_a_line_of_another_document_is_not_taken(crm):
    mine, other = deal(crm), deal(crm)
    refused(lambda: crm.patch(f"/opportunities/{mine['id']}",
                              {"lines": [{"id": other["lines"][0]["id"], "quantity": "2"}]}),
            422, "lines[0].id")
    assert crm.get(f"/opportunities/{other['id']}") == other


def test_what_clients_do_not_write_is_refused_by_name(crm):
    refused(lambda: crm.post("/opportunities", {
        "name": "x", "account_id": account(crm)["id"], "close_date": "2030-01-01", "id": 1,
        "version": 2, "created_at": "2020-01-01T00:00:00Z", "status": "won", "amount": "1",
        "stage": "Won"}), 422, "id", "version", "created_at", "status", "amount", "stage")


def test_a_412_shows_both_values_of_what_differs(crm):
    made = account(crm, phone="1")
    path = f"/accounts/{made['id']}"
    crm.patch(path, {"phone": "2", "name": "Theirs"})
    reply = crm.raw("PATCH", path, {"phone": "2", "name": "Mine"}, {"If-Match": '"1"'})
    assert reply.status == 412 and reply.json["current_version"] == 2
    assert reply.json["differing"] == {"name": {"current": "Theirs", "yours": "Mine"}}
    assert crm.raw("PATCH", path, {"phone": "3"}, {"If-Match": "7"}).status == 400
    assert crm.raw("PATCH", path, {"phone": "3"}, {"If-Match": '"9", "2"'}).status == 200


def test_of_racing_clients_that_name_the_version_each_change_has_one_winner(crm, stack):
    made = account(crm, payment_terms_days=0)
    path = f"/accounts/{made['id']}"

    def add_one(_):
        api = stack.api("crm")
        while True:
            seen = api.raw("GET", path)
            days = seen.json["payment_terms_days"] + 1
            reply = api.raw("PATCH", path, {"payment_terms_days": days},
                            {"If-Match": seen.headers["etag"]})
            if reply.status == 200:
                return
            assert reply.status == 412, reply.raw

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(add_one, range(24)))
    last = crm.get(path)
    assert last["payment_terms_days"] == 24 and last["version"] == 25


def test_a_batch_creates_patches_and_upserts_in_order(crm):
    known, ref = account(crm), "test:account:" + uuid.uuid4().hex
    data = crm.post("/accounts/batch", {"records": [
        {"name": "One"}, {"id": known["id"], "name": "Two"},
        {"external_ref": ref, "name": "Three"}]})["data"]
    assert [record["name"] for record in data] == ["One", "Two", "Three"]
    assert data[1]["id"] == known["id"] and data[1]["version"] == 2
    assert crm.get("/accounts", external_ref=ref)["data"][0]["id"] == data[2]["id"]


def test_a_batch_with_any_error_does_nothing_and_names_them_all(crm):
    name = unique("Batch")
    records = [{"name": name}, {"name": 5}, 7, {"id": 10**12, "name": "x"},
               {"name": name, "type": "nobody"}]
    refused(lambda: crm.post("/accounts/batch", {"records": records}), 422, "records[1].name",
            "records[2]", "records[3].id", "records[4].type")
    records = [{"name": name}, {"name": name, "parent_id": 10**12},
               {"name": name, "parent_id": 10**12}]
    refused(lambda: crm.post("/accounts/batch", {"records": records}), 422,
            "records[1].parent_id", "records[2].parent_id")
    twice = account(crm)["id"]
    refused(lambda: crm.post("/accounts/batch", {"records": [
        {"id": twice, "name": name}, {"id": twice, "name": name}]}), 422, "records[1].id")
    assert crm.get("/accounts", name=name, count="true")["count"] == 0
    refused(lambda: crm.post("/accounts/batch", {"records": []}), 422, "records")


def upsert(crm, ref, body, version=None):
    headers = {"Source-Version": str(version)} if version else {}
    return crm.raw("PUT", f"/accounts/by-ref/{ref}", body, headers)


def test_an_upsert_follows_the_versions_of_its_source(crm):
    ref = "test%3Aaccount%3A" + uuid.uuid4().hex
    said = []
    for body, version in (({"name": "A"}, 3), ({"name": "B"}, 2), ({"name": "B"}, 3),
                          ({"name": "A"}, 4), ({"name": "C"}, 5), ({"name": "D"}, None)):
        reply = upsert(crm, ref, body, version)
        assert reply.headers["source-result"] == reply.json["source_result"]
        said.append((reply.status, reply.json["source_result"], reply.json["name"],
                     reply.json["version"], reply.json["source_version"]))
    assert said == [(201, "created", "A", 1, 3), (200, "superseded", "A", 1, 3),
                    (200, "unchanged", "A", 1, 3), (200, "unchanged", "A", 1, 4),
                    (200, "updated", "C", 2, 5), (200, "updated", "D", 3, 5)]
    for bad in ("0", "-1", "1.5", "x", "9" * 30):
        assert upsert(crm, ref, {"name": "E"}, bad).status == 400


def test_a_source_restored_from_a_backup_counts_its_versions_in_a_new_epoch(crm):
    ref = "test%3Aaccount%3A" + uuid.uuid4().hex
    said = []
    for name, epoch, version in (("A", None, 7), ("B", 2, 3), ("C", None, 9), ("C", 1, 9),
                                 ("B", 2, 3), ("B", 3, 1), ("D", 3, 2)):
        headers = {"Source-Version": str(version)}
        if epoch:
            headers["Source-Epoch"] = str(epoch)
        reply = crm.raw("PUT", f"/accounts/by-ref/{ref}", {"name": name}, headers)
        said.append((reply.json["source_result"], reply.json["name"], reply.json["version"],
                     reply.json["source_epoch"], reply.json["source_version"]))
    assert said == [("created", "A", 1, 1, 7), ("updated", "B", 2, 2, 3),
                    ("superseded", "B", 2, 2, 3), ("superseded", "B", 2, 2, 3),
                    ("unchanged", "B", 2, 2, 3), ("unchanged", "B", 2, 3, 1),
                    ("updated", "D", 3, 3, 2)]
    for bad in ("0", "-1", "1.5", "x"):
        reply = crm.raw("PUT", f"/accounts/by-ref/{ref}", {"name": "E"}, {"Source-Epoch": bad})
        assert reply.status == 400 and reply.json["errors"][0]["field"] == "Source-Epoch"


def test_the_log_says_which_of_the_events_asked_for_it_lacks(crm):
    known = account(crm)
    crm.patch(f"/accounts/{known['id']}", {"phone": "1"})
    told = crm.get("/epoch")
    assert told["unknown"] == [] and told["epoch"].count("-") == 1
    assert told["last_event"].startswith(f"account:{known['id']}:2:")
    entity, record, version, event = told["last_event"].split(":")
    later = f"{entity}:{record}:3:{event}"
    other = f"{entity}:{record}:2:{uuid.uuid4()}"
    told = crm.get("/epoch", event=",".join((told["last_event"], later, other)))
    assert told["unknown"] == [later, other]
    for bad in ("", "x", "account:1:1:x", "account:1:1", f"account:x:1:{event}",
                f"account:1:1:{event}:1", ",".join([later] * 51)):
        reply = crm.raw("GET", f"/epoch?event={bad}")
        assert reply.status == 400 and reply.json["errors"][0]["field"] == "event"


def test_the_log_can_be_read_by_time_and_without_the_records(crm):
    first = account(crm)
    [event] = crm.get("/events", entity="account", record_id=first["id"])["data"]
    second = account(crm)
    [other] = crm.get("/events", entity="account", record_id=second["id"])["data"]
    between = crm.get("/events", **{"from": event["timestamp"], "to": other["timestamp"]})["data"]
    assert first["id"] in [e["data"]["id"] for e in between if e["data"]["entity"] == "account"]
    assert second["id"] not in [e["data"]["id"] for e in between]
    [bare] = crm.get("/events", entity="account", record_id=first["id"], record="false")["data"]
    assert bare["data"]["record"] is None and bare["data"]["version"] == 1
    for bad in ("from=today", "to=2026-01-01", "record=1", "from=2026-13-41T00:00:00Z"):
        assert crm.raw("GET", f"/events?{bad}").status in (400, 422)


def test_an_upsert_may_not_name_another_reference(crm):
    reply = upsert(crm, "test%3Aaccount%3A" + uuid.uuid4().hex,
                   {"name": "A", "external_ref": "test:account:other"})
    assert reply.status == 422 and reply.json["errors"][0]["field"] == "external_ref"


def test_a_reference_upserted_by_many_at_once_is_one_record_at_the_newest_version(crm, stack):
    ref = "test%3Aaccount%3A" + uuid.uuid4().hex

    def put(version):
        return upsert(stack.api("crm"), ref, {"name": f"Name {version}"}, version).status

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(put, range(1, 41)))
    assert statuses.count(201) == 1 and set(statuses) == {200, 201}
    [found] = crm.get("/accounts", external_ref=ref.replace("%3A", ":"))["data"]
    assert found["name"] == "Name 40" and found["source_version"] == 40


def test_a_deleted_record_leaves_its_story(crm):
    made = account(crm)
    path = f"/accounts/{made['id']}"
    assert crm.raw("DELETE", path, None, {"If-Match": '"2"'}).status == 412
    crm.delete(path)
    assert crm.raw("GET", path).status == 404
    assert events(crm, path) == ["account.deleted", "account.created"]


def test_what_others_refer_to_is_not_deleted(crm):
    made = deal(crm)
    assert refused(lambda: crm.delete(f"/accounts/{made['account_id']}"), 409)["code"] == "in_use"


def changed_in(crm, entity, made):
    """The fields that each event of a record names."""
    told = crm.all("/events", entity=entity, record_id=made["id"])
    return [event["data"]["changed"] for event in told]


def test_an_event_names_the_fields_that_changed_in_order(crm):
    made = account(crm, phone="1")
    crm.patch(f"/accounts/{made['id']}", {"phone": None, "email": "a@b.example",
                                          "name": made["name"]})
    whole = sorted(field for field, value in made.items()
                   if value is not None and field not in ("version", "updated_at"))

    def both_are_in_the_log():
        return len(changed_in(crm, "account", made)) == 2
    eventually(both_are_in_the_log)   # it shows what no transaction can come before any more
    assert changed_in(crm, "account", made) == [whole, ["email", "phone"]]


def test_a_document_of_more_values_than_anybody_may_send_can_change(crm):
    made = deal(crm, [line(product(crm)["id"])] * 700)
    lines = [{"id": item["id"]} for item in made["lines"]]
    changed = crm.patch(f"/opportunities/{made['id']}", {"lines": lines[1:]})
    assert (changed["version"], len(changed["lines"])) == (2, 699)
