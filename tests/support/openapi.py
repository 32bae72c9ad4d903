"""tests/support/openapi.py -- checks every reply the tests get against the daemon's own OpenAPI."""
import re

import jsonschema

from api import Api
from stack import Stack

EACH_AT_MOST = 25   # replies of one operation and status that are checked


class Contract:
    """One daemon's OpenAPI document."""

    def __init__(self, document):
        self.document = document
        self.paths = [(re.compile("^" + re.sub(r"\{[^}]+\}", "[^/]+", path) + "$"), path)
                      for path in sorted(document["paths"], key=lambda p: p.count("{"))]
        self.checked = {}

    def operation(self, method, path):
        for pattern, name in self.paths:
            if pattern.match(path) and method.lower() in self.document["paths"][name]:
                return name, self.document["paths"][name][method.lower()]
        return None, None

    def schema(self, operation, status):
        responses = operation["responses"]
        response = (responses.get(str(status)) or responses.get(f"{status // 100}XX")
                    or responses.get("default"))
        if response and "$ref" in response:
            response = self.document["components"]["responses"][response["$ref"].split("/")[-1]]
        for content in (response or {}).get("content", {}).values():
            return content.get("schema")
        return None

    def check(self, method, path, reply):
        name, operation = self.operation(method, path.partition("?")[0])
        if operation is None:
            assert reply.status in (400, 401, 404, 405, 408, 429, 503), \
                f"{method} {path} answers {reply.status} but is not in the OpenAPI document"
            return
        key = (method, name, reply.status)
        self.checked[key] = self.checked.get(key, 0) + 1
        if self.checked[key] > EACH_AT_MOST or not reply.raw:
            return
        assert {str(reply.status), f"{reply.status // 100}XX", "default"} & set(
            operation["responses"]), f"{key} is not among the responses"
        schema = self.schema(operation, reply.status)
        if schema and "json" in reply.headers.get("content-type", ""):
            jsonschema.Draft202012Validator(
                {**schema, "components": self.document["components"]}).validate(reply.json)


contracts = {}


def watch_replies():
    """From now on every Api call of this process is checked."""
    plain, start_daemon = Api.raw, Stack.start_daemon

    def start(self, name, *arguments, **options):
        contracts.pop(self.url(name), None)   # another daemon may have listened there
        return start_daemon(self, name, *arguments, **options)

    def raw(self, method, path, body=None, headers=None):
        reply = plain(self, method, path, body, headers)
        if path.startswith(("/livez", "/readyz", "/metrics", "/openapi", "/docs")):
            return reply
        if self.url not in contracts:
            document = plain(self, "GET", "/openapi.json")
            if document.status != 200:
                return reply
            contracts[self.url] = Contract(document.json)
        full = path if path.startswith("/api/") else "/api/v1" + path
        contracts[self.url].check(method, full, reply)
        return reply
    Api.raw, Stack.start_daemon = raw, start
