"""tests/consistency/test_sql.py -- every SQL text prepares against the real schema."""
import pathlib
import re

import psycopg2
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TEXT = re.compile(r'\b(sql_\w+)\[\]\s*=\s*((?:"(?:[^"\\]|\\.)*"\s*)+);')
PIECE = re.compile(r'"((?:[^"\\]|\\.)*)"')
SCHEMAS = {"crm-server": "crm", "erp-server": "erp", "sync-bridge": "bridge", "common": "crm"}
UTILITY = re.compile(r"\s*(BEGIN|COMMIT|ROLLBACK|LISTEN|NOTIFY|SET|START|CREATE)\b", re.I)


def statements():
    for folder, schema in SCHEMAS.items():
        for path in sorted((ROOT / folder).rglob("*.c")):
            for name, pieces in TEXT.findall(path.read_text()):
                sql = "".join(PIECE.findall(pieces)).replace("\\n", "\n").replace('\\"', '"')
                if "%" not in sql.replace("'%'", "") and not UTILITY.match(sql):
                    yield pytest.param(schema, sql, id=f"{path.relative_to(ROOT)}:{name}")
        for path in sorted((ROOT / folder).rglob("*.sql")):
            yield pytest.param(schema, path.read_text(), id=str(path.relative_to(ROOT)))


@pytest.fixture(scope="module")
def connections(stack):
    opened = {}
    for schema in set(SCHEMAS.values()):
        opened[schema] = psycopg2.connect(stack.user_url(schema))
        opened[schema].autocommit = True
    yield opened
    for connection in opened.values():
        connection.close()


@pytest.mark.parametrize("schema, sql", statements())
def test_it_prepares(connections, schema, sql):
    with connections[schema].cursor() as cursor:
        cursor.execute("PREPARE candidate AS " + sql.rstrip().rstrip(";"))
        cursor.execute("DEALLOCATE candidate")


def test_there_are_statements_to_prepare():
    assert len(list(statements())) > 50
