"""tests/consistency/test_tidy.py -- the tree keeps the rules that docs/ARCHITECTURE.md states."""
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TRACKED = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"],
                         cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
LAYERS = ["base", "db", "http", "event", "entity", "app"]
MAY_INCLUDE = {
    "base": {"base"},
    "db": {"db", "base"},
    "http": {"http", "base"},
    "event": {"event", "db", "http", "base"},
    "entity": {"entity", "event", "db", "http", "base"},
    "app": {"app", "entity", "event", "db", "http", "base"},
}
DAEMONS = ["crm-server", "erp-server", "sync-bridge"]
COMMENT = {".c": "/*", ".h": "/*", ".sql": "--", ".py": '"""', ".sh": "#", ".jq": "#",
           ".awk": "#", ".cmake": "#", "": "#"}
SECTION = re.compile(r"^[A-Za-z_][^;{}]*\)\n\{\n(.*?)^\}\n", re.S | re.M)


def files(*suffixes):
    return [path for path in TRACKED
            if pathlib.Path(path).suffix in suffixes and (ROOT / path).exists()]


def text(path):
    return (ROOT / path).read_text(encoding="utf-8")


def test_every_file_opens_with_its_path_and_what_it_is_for():
    sources = files(".c", ".h", ".sql", ".py", ".jq", ".awk", ".cmake")
    sources += [path for path in TRACKED if path.startswith("script/") and "." not in path]
    wrong, seen = [], {}
    for path in sources:
        lines = [line for line in text(path).splitlines()[:3] if not line.startswith("#!")]
        first = lines[0] if lines else ""
        mark = COMMENT[pathlib.Path(path).suffix]
        match = re.match(re.escape(mark) + r"\s?" + re.escape(path) + r" -- (.+)", first)
        if not match:
            wrong.append(f"{path}: {first!r}")
        elif seen.setdefault(match[1], path) != path:
            wrong.append(f"{path} says the same as {seen[match[1]]}")
    assert not wrong, "\n".join(wrong)


def test_lines_files_and_functions_are_short():
    wrong = []
    for path in files(".c", ".h", ".py"):
        lines = text(path).splitlines()
        if len(lines) > 600:
            wrong.append(f"{path}: {len(lines)} lines")
        for number, line in enumerate(lines, 1):
            if len(line.expandtabs(8)) > 100:
                wrong.append(f"{path}:{number}: {len(line.expandtabs(8))} columns")
    for path in files(".c"):
        for body in SECTION.findall(text(path)):
            if body.count("\n") > 70:
                wrong.append(f"{path}: a function of {body.count(chr(10))} lines")
    assert not wrong, "\n".join(wrong)


def test_one_header_says_how_a_hash_table_ends_without_memory():
    assert [path for path in files(".c", ".h") if "<uthash.h>" in text(path)] == [
        "common/base/hash.h"]


def test_common_parts_include_only_what_is_below_them():
    wrong = []
    for path in files(".c", ".h"):
        parts = pathlib.Path(path).parts
        included = re.findall(r'^#include "([a-z_]+)/[^"]*"', text(path), re.M)
        if parts[0] == "common":
            wrong += [f"{path} includes {layer}/" for layer in included
                      if layer not in MAY_INCLUDE[parts[1]]]
        elif parts[0] in DAEMONS:
            wrong += [f"{path} includes {layer}/" for layer in included
                      if layer not in LAYERS and not (ROOT / parts[0] / layer).is_dir()]
    assert not wrong, "\n".join(wrong)


def test_common_holds_no_word_of_crm_or_erp():
    wrong = []
    words = re.compile(r"\b(opportunity|sales_order|customer|warehouse|invoice)_[a-z]+\s*\(")
    for path in files(".c", ".h"):
        if path.startswith("common/"):
            wrong += [f"{path}: {match[0]}" for match in words.finditer(text(path))]
    assert not wrong, "\n".join(wrong)


def test_what_has_a_better_replacement_is_not_called():
    banned = {
        r"\bstrcpy\s*\(": "arena_strdup or text_add", r"\bstrcat\s*\(": "text_add",
        r"\bsprintf\s*\(": "snprintf or arena_printf", r"\bgets\s*\(": "fgets",
        r"\batoi\s*\(": "strtol", r"\batof\s*\(": "no floating point",
        r"\bPQexec\s*\(": "PQexecParams", r"\bcJSON_Parse\w*\s*\(": "json_parse",
        r"\bcJSON_Delete\s*\(": "nothing: the arena frees it",
        r"\bcJSON_GetObjectItem\s*\(": "json_get", r"\bsleep\s*\(": "coro_sleep",
    }
    wrong = []
    for path in files(".c", ".h"):
        if path.startswith("tests/"):
            continue
        for pattern, instead in banned.items():
            wrong += [f"{path}: {match[0]} (use {instead})"
                      for match in re.finditer(pattern, text(path))]
    assert not wrong, "\n".join(wrong)


def test_no_amount_passes_through_a_double():
    allowed = {"common/base/json_parse.c"}   # bounds a number's magnitude, keeps its text
    wrong = [f"{path}: {match[0].strip()}" for path in files(".c", ".h")
             if path.startswith(("crm-server/", "erp-server/", "common/entity/", "common/base/"))
             and path not in allowed
             for match in re.finditer(r".*\b(double|float|strtod|valuedouble)\b(?! is ).*",
                                      re.sub(r"/\*.*?\*/", "", text(path), flags=re.S))]
    assert not wrong, "\n".join(wrong)


def test_sql_names_no_schema_and_no_write_notifies():
    wrong = []
    for path in files(".c", ".sql"):
        body = re.sub(r"/\*.*?\*/|--[^\n]*", "", text(path), flags=re.S)
        wrong += [f"{path}: {match[0]}" for match in
                  re.finditer(r"\b(FROM|INTO|UPDATE|JOIN)\s+(crm|erp|bridge)\.\w+", body)]
        if "pg_notify" in body and not path.startswith("common/db/"):
            wrong.append(f"{path}: pg_notify")
    assert not wrong, "\n".join(wrong)


def test_nothing_is_left_unfinished_by_its_own_word():
    marks = re.compile(r"\b(TODO|FIXME|" + "XX" + "X|HACK)\\b")
    wrong = [f"{path}: {match[0]}" for path in files(".c", ".h", ".sql", ".jq")
             for match in marks.finditer(text(path))]
    assert not wrong, "\n".join(wrong)
