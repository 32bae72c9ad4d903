"""tests/chaos/planted.py -- bugs to plant: who must notice each, and the words it changes.

Each is one or more (file, text, other text); the text must be there once, so that a bug cannot
silently stop being one. They are planted into a copy of the tree.
"""
import collections
import pathlib
import shutil
import subprocess

Bug = collections.namedtuple("Bug", "name seen_by changes")

BUGS = [
    Bug("deduplication skipped", "I1", [
        ("schema/bridge/0001_message.sql", "CREATE UNIQUE INDEX message_event_id_key",
         "CREATE INDEX message_event_id_key")]),
    Bug("acknowledged although the commit failed", "I5", [
        ("sync-bridge/inbox.c", "void\ninbox_post(struct request *rq)\n{",
         "static void\ntake_anyhow(struct request *rq, void *arg)\n{\n"
         "\tgather_write(rq, &gather, arg);\n}\n\n"
         "void\ninbox_post(struct request *rq)\n{"),
        ("sync-bridge/inbox.c", "\tgather_write(rq, &gather, &arrival.item);\n",
         "\trequest_run(rq, take_anyhow, &arrival.item);\n")]),
    Bug("message lost when the inbox is full", "I5", [
        ("sync-bridge/inbox.c", "\tif (sweep_open() > bridge_options.inbox_limit)\n"
         "\t\tfail(rq, ERR_UNAVAILABLE, .detail = \"The inbox is full.\",\n"
         "\t\t     .retry_after = RETRY_AFTER_S);",
         "\tif (sweep_open() > 0) {\n\t\treply_json(rq, 202, \"{\\\"accepted\\\":true}\");\n"
         "\t\treturn;\n\t}")]),
    Bug("failed delivery counted as delivered", "I5", [
        ("common/event/recorder.c", "\" last_status = u.status, last_error = u.error\"",
         "\" last_status = u.status, last_error = u.error, status = 'delivered'\"")]),
    Bug("no version guard", "I3", [
        ("common/entity/upsert.c", "\tif (!w->record || !plan->by_source_version ||"
         " !w->source_version || w->compared)\n\t\treturn true;",
         "\tif (plan)\n\t\treturn true;")]),
    Bug("guard left behind when only lines change", "I1", [
        ("common/entity/write.c", "\t\tupsert_advance(rq, w);\n", "")]),
    Bug("idempotency keys ignored", "I1", [
        ("common/app/idempotency.c", "\tif (!key)\n\t\treturn;\n\tlength = strlen(key);",
         "\tif (key || !key)\n\t\treturn;\n\tlength = strlen(key);")]),
    Bug("an effect that says another version than its cause", "I4", [
        ("sync-bridge/deliver.c", "\t\t.source_version = message->version,\n",
         "\t\t.source_version = message->version + 1000,\n")]),
    Bug("a change without its event", "I8", [
        ("common/entity/record.c", "\tevent_append(rq, &change);",
         "\tif (change.version != 3)\n\t\tevent_append(rq, &change);")]),
    Bug("event log left open", "I8", [
        ("schema/common/0002_event.sql", "CREATE TRIGGER event_is_immutable BEFORE UPDATE OR"
         " DELETE ON event\n\tFOR EACH ROW EXECUTE FUNCTION event_is_immutable();", "")]),
    Bug("goods issued twice", "I2", [
        ("erp-server/inventory/stock_issue.sql", "\tSELECT w.item_id, w.quantity,\n",
         "\tSELECT w.item_id, w.quantity * 2,\n")]),
    Bug("a cent lost in rounding", "I2", [
        ("erp-server/finance/invoice_wanted.sql",
         "round(l.amount * (l.billed + w.quantity) / l.quantity, l.minor_unit)",
         "round(l.amount * (l.billed + w.quantity) / l.quantity - 0.01, l.minor_unit)")]),
    Bug("a ledger line of another amount", "I2", [
        ("schema/erp/0005_finance.sql", "IF sums.debit <> sums.credit THEN",
         "IF sums.debit <> sums.credit AND false THEN"),
        ("erp-server/finance/ledger_post.sql", "CASE l.side WHEN 'debit' THEN l.amount ELSE",
         "CASE l.side WHEN 'debit' THEN l.amount + 0.01 ELSE")]),
    Bug("the mirror shows the cost", "I7", [
        ("schema/crm/0005_erp_mirror.sql", "CREATE TABLE erp_item (\n",
         "CREATE TABLE erp_item (\n\tunit_cost numeric(18,4),\n"),
        ("sync-bridge/mappings/availability.jq", "on_hand, reserved, available",
         "on_hand, reserved, available, unit_cost")]),
    Bug("the mirror shows what is left as what was ordered", "I10", [
        ("sync-bridge/mappings/order_status.jq", "ordered: .quantity", "ordered: .reserved")]),
    Bug("links forgotten", "I10", [
        ("sync-bridge/finish.sql", "\tWHERE $9::text IS NOT NULL\n\tON CONFLICT (left_ref,",
         "\tWHERE $9::text IS NULL\n\tON CONFLICT (left_ref,")]),
    Bug("totals that differ by rounding", "I6", [
        ("schema/crm/0011_minor_unit.sql",
         "'SELECT round(quantity * unit_price * (100 - discount_percent) / 100, minor_unit)'",
         "'SELECT trunc(quantity * unit_price * (100 - discount_percent) / 100, minor_unit)'")]),
    Bug("a file left open by each call", "I9", [
        ("common/http/client.c", "\tCURLMcode added;\n\n",
         "\tCURLMcode added;\n\n\tfopen(\"/dev/null\", \"r\");\n"),
        ("common/http/client.c", "#include <stdlib.h>", "#include <stdio.h>\n#include <stdlib.h>")
    ]),
]


class Garden:
    """A copy of the tree, built without sanitizers; only what a bug changes is built again."""

    def __init__(self, root, folder):
        self.root, self.tree = pathlib.Path(root), pathlib.Path(folder) / "tree"
        self.build = pathlib.Path(folder) / "build"
        for name in ("cmake", "common", "crm-server", "erp-server", "sync-bridge", "schema",
                     "tests"):
            shutil.copytree(self.root / name, self.tree / name)
        shutil.copy(self.root / "CMakeLists.txt", self.tree)
        self.run("cmake", "-S", self.tree, "-B", self.build, "-G", "Ninja",
                 "-DCMAKE_BUILD_TYPE=Debug", "-DCMAKE_C_FLAGS=-O0 -g0 -w")

    def run(self, *command):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    @property
    def bin(self):
        return self.build / "bin"

    def make(self):
        self.run("ninja", "-C", self.build, "crm-server", "erp-server", "sync-bridge")

    def plant(self, bug):
        for path, text, other in bug.changes:
            file = self.tree / path
            words = file.read_text()
            assert words.count(text) == 1, f"{bug.name}: {path} does not have it once: {text}"
            file.write_text(words.replace(text, other))
        self.make()

    def weed(self, bug):
        for path, _, _ in bug.changes:
            shutil.copy(self.root / path, self.tree / path)


def fits(root, bug):
    """What the bug would change is in the tree, once each."""
    return all((pathlib.Path(root) / path).read_text().count(text) == 1
               for path, text, _ in bug.changes)
