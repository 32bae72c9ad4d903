"""tests/bench/reference.py -- pgbench running exactly the statements that one HTTP request runs.

The server's own statements are read from PostgreSQL's log while one request is made, so the
reference cannot drift from what the product does.
"""
import pathlib
import re
import subprocess
import time

ENTRY = re.compile(r"^@@(\d+) (LOG|DETAIL):  (.*)$", re.S)


def pgbench_path():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/pgbench"),
                   key=lambda p: int(p.parts[4]))
    return found[-1]


class StatementLog:
    """Statements, with their parameters, of what runs inside the with block."""

    def __init__(self, stack):
        self.stack = stack
        self.path = stack.var / "postgres/data/server.log"
        self.statements = []

    def __enter__(self):
        self.stack.sql("ALTER SYSTEM SET log_line_prefix = '@@%p '")
        self.stack.sql("ALTER SYSTEM SET log_statement = 'all'")
        self.stack.sql("SELECT pg_reload_conf()")
        time.sleep(0.3)
        self.start = self.path.stat().st_size
        return self

    def __exit__(self, *_):
        time.sleep(0.3)
        with open(self.path, encoding="utf-8", errors="replace") as file:
            file.seek(self.start)
            raw = file.read()
        self.stack.sql("ALTER SYSTEM RESET log_statement")
        self.stack.sql("SELECT pg_reload_conf()")
        self.statements = parse(raw)


def parse(raw):
    """[(pid, sql, [parameter or None])] in order."""
    statements = []
    for entry in re.split(r"\n(?=@@)", raw.strip()):
        match = ENTRY.match(entry)
        if not match:
            continue
        pid, kind, message = match.groups()
        executed = re.match(r"(?:execute [^:]*|statement): (.*)", message, re.S)
        if kind == "LOG" and executed:
            statements.append((pid, executed[1].replace("\n\t", "\n"), []))
        elif kind == "DETAIL" and message.startswith("parameters: ") and statements:
            statements[-1][2].extend(parse_parameters(message[len("parameters: "):]))
    return statements


def parse_parameters(text):
    values = []
    for value in re.findall(r"\$\d+ = (NULL|'(?:[^']|'')*')", text.replace("\n\t", "\n"), re.S):
        values.append(None if value == "NULL" else value[1:-1].replace("''", "'"))
    return values


class Script:
    """A pgbench script and its -D variables, made from logged statements."""

    def __init__(self, folder, name):
        self.path = pathlib.Path(folder) / f"{name}.pgbench"
        self.lines = []
        self.variables = {}

    def add(self, sql, parameters, dynamic, gset=False):
        """dynamic: {literal value: variable} for what differs in each run, such as the new id."""
        # pgbench would read the colons of a quoted text as variables of its own.
        def hide(match):
            if not re.search(r":\w", match[0]):
                return match[0]
            variable = f"s{len(self.lines)}q{match.start()}"
            self.variables[variable] = match[0][1:-1]
            return f":{variable}"
        sql = re.sub(r"'(?:[^']|'')*'", hide, sql)
        for number in range(len(parameters), 0, -1):
            value = parameters[number - 1]
            if value is None:
                text = "NULL"
            elif value in dynamic:
                text = f":{dynamic[value]}"
            else:
                variable = f"s{len(self.lines)}p{number}"
                self.variables[variable] = value
                text = f":{variable}"
            sql = re.sub(rf"\${number}(?!\d)", lambda _: text, sql)
        one_line = " ".join(re.sub(r"--[^\n]*", "", sql).split()).rstrip(";")
        self.lines.append(one_line + (" \\gset" if gset else ";"))

    def set_random(self, variable, low, high):
        self.lines.insert(0, f"\\set {variable} random({low}, {high})")

    def best(self, url, clients, seconds):
        """The best transactions/s over the numbers of clients."""
        self.path.write_text("\n".join(self.lines) + "\n")
        defines = [f"-D{name}={value}" for name, value in self.variables.items()]
        best = 0.0
        for count in clients:
            done = subprocess.run(
                [pgbench_path(), "-n", "-M", "prepared", "-f", self.path, "-c", str(count),
                 "-j", str(min(count, 2)), "-T", str(seconds), *defines, url],
                capture_output=True, text=True)
            found = re.search(r"tps = ([\d.]+)", done.stdout)
            if done.returncode != 0 or not found:
                raise SystemExit(f"pgbench failed:\n{done.stderr}\n" + "\n".join(self.lines))
            best = max(best, float(found[1]))
        return best
