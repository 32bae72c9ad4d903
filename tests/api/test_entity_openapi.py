"""tests/api/test_entity_openapi.py -- each daemon's OpenAPI 3.1 document is sound in itself."""
import re

import jsonschema
import pytest


@pytest.fixture(params=["crm", "erp", "bridge"])
def document(request, stack):
    return stack.api(request.param).get("/openapi.json")


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def follow(document, reference):
    target = document
    for part in reference.removeprefix("#/").split("/"):
        target = target[part]
    return target


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_it_says_what_it_is(document):
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"] and document["info"]["version"]
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_every_reference_leads_somewhere(document):
    for reference in set(references(document)):
        assert follow(document, reference) is not None, reference


def test_every_operation_has_a_name_of_its_own_and_answers(document):
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    for path, method, operation in operations(document):
        assert operation["responses"], path
        assert set(operation["tags"]) <= {tag["name"] for tag in document["tags"]}
        assert "requestBody" not in operation or method not in ("get", "delete"), path


def test_parameters_of_paths_are_declared_and_none_twice(document):
    for path, method, operation in operations(document):
        declared = [follow(document, p["$ref"]) if "$ref" in p else p
                    for p in operation["parameters"]]
        keys = [(parameter["in"], parameter["name"]) for parameter in declared]
        assert len(keys) == len(set(keys)), (path, method)
        assert {name for place, name in keys if place == "path"} == \
            set(re.findall(r"{(\w+)}", path)), path
        assert all(p["required"] for p in declared if p["in"] == "path")


def test_every_schema_is_json_schema(document):
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    for _, _, operation in operations(document):
        for content in operation.get("requestBody", {}).get("content", {}).values():
            jsonschema.Draft202012Validator.check_schema(content["schema"])


def test_what_must_be_given_can_be_given(document):
    for name, schema in document["components"]["schemas"].items():
        if not name.endswith("_create"):
            continue
        assert set(schema.get("required", [])) <= set(schema["properties"]), name
        assert schema["additionalProperties"] is False


def test_secrets_are_nowhere_to_be_read(document):
    for name, schema in document["components"]["schemas"].items():
        if not name.endswith(("_create", "_patch", "_write")):
            assert not {"password_hash", "secret", "secret_hash"} & set(
                schema.get("properties", {})), name
