"""script/stack.py -- starts, watches and stops PostgreSQL and the three daemons in one folder.

script/server runs it; the tests import Stack for stacks of their own.
"""
import argparse
import base64
import json
import os
import pathlib
import random
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.parse

from api import Api

ROOT = pathlib.Path(__file__).resolve().parent.parent
DAEMONS = {"crm": "crm-server", "erp": "erp-server", "bridge": "sync-bridge"}
# The program itself: Debian's psql is a script that looks for it, four times as slow.
PSQL = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin/psql"),
           key=lambda path: int(path.parts[-3]), default="psql")
DEFAULT_PORTS = {"crm": 8081, "erp": 8082, "bridge": 8083}


def program(name):
    """crm-server of "crm", and of "crm2"."""
    return DAEMONS[name.rstrip("0123456789")]


class StackError(Exception):
    pass


def free_port():
    """Below the ports that clients get: one of those may take it while its daemon restarts."""
    while True:
        port = random.randint(12000, 30000)
        if port_is_free(port):
            return port


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class Stack:
    """One stack in folder var. ports: {"crm": 8081, ...}; 0 or missing picks a free one.

    hosts: {"crm": "host", ...} when the daemons run on machines of these names.
    more: names of further systems, as ("crm2", "erp2"): each its own role, schema and port.
    bridge_config: called with bridge.json's content before it is written, to change it.
    """

    def __init__(self, var, bin_dir, ports=None, database_url=None, options=None, hosts=None,
                 more=(), bridge_config=None):
        self.var = pathlib.Path(var).absolute()
        self.bin = pathlib.Path(bin_dir)
        self.database_url = database_url
        self.private_cluster = database_url is None
        self.options = options or {}
        self.hosts = hosts or {}
        self.environment = {}   # of a daemon, beside our own: {"crm": {"NAME": "value"}}
        self.processes = {}
        self.tokens = {}
        self.systems = ("crm", "erp", *more)
        self.names = (*self.systems, "bridge")
        self.bridge_config = bridge_config
        self.ports = {name: (ports or {}).get(name) or free_port() for name in self.names}

    # ---- PostgreSQL ----

    def postgres(self, command):
        done = subprocess.run([ROOT / "script/postgres", command, self.var / "postgres"],
                              capture_output=True, text=True,
                              env={**os.environ, **self.environment.get("postgres", {})})
        if done.returncode != 0:
            raise StackError(f"PostgreSQL would not {command}:\n{done.stderr}")
        return done.stdout.strip()

    def sql(self, text, user=None):
        url = self.user_url(user) if user else self.database_url
        done = subprocess.run([PSQL, "-XqAt", "-v", "ON_ERROR_STOP=1", url, "-c", text],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise StackError(done.stderr.strip())
        return done.stdout.strip()

    def user_url(self, name):
        """The owner's URL with another role in it."""
        parts = urllib.parse.urlsplit(self.database_url)
        host = parts.netloc.rpartition("@")[2]
        password = self.secret(f"{name}-database")
        return urllib.parse.urlunsplit(parts._replace(netloc=f"{name}:{password}@{host}"))

    def prepare_database(self):
        """A login role and a schema for each daemon, none with a right on another's."""
        for name in self.names:
            self.sql(f"""
                DO $do$ BEGIN
                    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN
                        CREATE ROLE {name} LOGIN;
                    END IF;
                END $do$;
                ALTER ROLE {name} PASSWORD '{self.secret(f"{name}-database")}';
                ALTER ROLE {name} SET search_path = {name};
                CREATE SCHEMA IF NOT EXISTS {name} AUTHORIZATION {name};
                REVOKE ALL ON SCHEMA {name} FROM PUBLIC;
                REVOKE CREATE ON SCHEMA public FROM PUBLIC""")

    # ---- secrets and configuration ----

    def secret(self, name):
        """Made once and kept in a file that only this user reads."""
        path = self.var / "secrets" / name
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.write_secret(name, secrets.token_urlsafe(24))
        return path.read_text()

    def write_secret(self, name, value):
        path = self.var / "secrets" / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(value)
        return path

    def file(self, name, ending):
        return self.var / f"{program(name)}{name[3:] if name in self.systems else ''}.{ending}"

    def config_path(self, name):
        return self.file(name, "ini")

    def write_config(self, name):
        self.write_secret(f"{name}-url", self.user_url(name))
        values = {
            "database": f"@{self.var}/secrets/{name}-url",
            "listen": "0.0.0.0" if self.hosts else "127.0.0.1",
            "port": self.ports[name],
            "allow-plain-http": "on" if self.hosts else "off",
            **self.options.get(name, {}),
        }
        if name == "bridge":
            values["bridge-config"] = self.var / "bridge.json"
            token = self.var / "secrets/bridge-admin-token"
            if token.exists():
                values["admin-token"] = f"@{token}"
        lines = [f"# {program(name)} of this stack; written by script/server"]
        lines += [f"{key} = {value}" for key, value in values.items()]
        self.config_path(name).write_text("\n".join(lines) + "\n")

    def write_bridge_json(self):
        config = json.loads((ROOT / "sync-bridge/bridge.json").read_text())
        config["public_url"] = self.url("bridge")
        config["mappings"] = str(ROOT / "sync-bridge/mappings")
        for name in self.systems:
            secret = self.var / "secrets" / f"{name}-webhook"
            if not secret.exists():
                self.write_secret(secret.name,
                                  "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())
            config["systems"][name] = {
                **config["systems"].get(name, {}),
                "url": self.url(name),
                "token": f"@{self.var}/secrets/{name}-bridge-token",
                "secret": f"@{secret}",
            }
        if self.bridge_config:
            self.bridge_config(config)
        (self.var / "bridge.json").write_text(json.dumps(config, indent=2) + "\n")

    def url(self, name):
        return f"http://{self.hosts.get(name, '127.0.0.1')}:{self.ports[name]}"

    # ---- daemons ----

    def run(self, name, *arguments):
        done = subprocess.run([self.bin / program(name), "--config", self.config_path(name),
                               *arguments], capture_output=True, text=True)
        if done.returncode != 0:
            raise StackError(f"{program(name)} {' '.join(arguments)}:\n{done.stderr}")
        return done.stdout.strip()

    def token(self, name, user, role):
        file = f"{name}-{user}-token"
        path = self.var / "secrets" / file
        if not path.exists():
            self.write_secret(file, self.run(name, "--create-token", user, "--role", role))
        return path.read_text()

    def start_daemon(self, name, detach=False):
        with open(self.file(name, "log"), "ab") as log:
            self.processes[name] = subprocess.Popen(
                [self.bin / program(name), "--config", self.config_path(name)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=detach,
                env={**os.environ, **self.environment.get(name, {})})
        return self.processes[name]

    def wait_ready(self, name, seconds=30):
        api = Api(self.url(name), timeout=5)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.processes[name].poll() is not None:
                break
            try:
                if api.raw("GET", "/readyz").status == 200:
                    return
            except OSError:
                api.close()
            time.sleep(0.02)
        log = self.file(name, "log").read_text(errors="replace")
        raise StackError(f"{program(name)} did not become ready:\n" + log[-2000:])

    def prepare(self):
        """Everything up to, not including, the daemons' start."""
        self.var.mkdir(parents=True, exist_ok=True)
        if self.private_cluster:
            self.database_url = self.postgres("start")
        self.prepare_database()
        for name in self.names:
            self.write_config(name)
        self.write_bridge_json()
        for name in self.names:
            self.run(name, "--migrate")
            self.tokens[name] = self.token(name, "admin", "admin")
        for name in self.systems:
            self.token(name, "bridge", "bridge")
        self.write_config("bridge")   # again, now that its token is there

    def start(self, detach=False):
        self.prepare()
        for name in self.names:
            self.start_daemon(name, detach)
        for name in self.names:
            self.wait_ready(name)
        self.wait_subscribed()
        self.write_stack_json()
        return self

    def wait_subscribed(self, seconds=30):
        """Changes made before the bridge's first subscription would not cross."""
        bridge = self.api("bridge")
        deadline = time.monotonic() + seconds
        while not all(s["subscribed"] for s in bridge.get("/status")["systems"].values()):
            if time.monotonic() > deadline:
                raise StackError("the bridge could not subscribe to the CRM and the ERP")
            time.sleep(0.02)

    def write_stack_json(self):
        stack = {name: {"url": self.url(name), "token": self.tokens[name],
                        "pid": self.processes[name].pid if name in self.processes else None,
                        "config": str(self.config_path(name))} for name in self.names}
        stack["database"] = {"url": self.database_url}
        stack["bin"] = str(self.bin)
        self.write_secret("../stack.json", json.dumps(stack, indent=2) + "\n")

    def api(self, name, token=None):
        return Api(self.url(name), token or self.tokens[name])

    def stop(self):
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()
        if self.private_cluster and self.database_url:
            self.postgres("stop")


def stop_detached(var):
    """Ends the processes that stack.json names, if they still are what it says."""
    path = pathlib.Path(var) / "stack.json"
    if not path.exists():
        sys.exit(f"No stack in {var}.")
    stack = json.loads(path.read_text())
    pids = [stack[name]["pid"] for name in DAEMONS if is_daemon(stack[name]["pid"], name)]
    for pid in pids:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while any(os.path.exists(f"/proc/{pid}") for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    if (pathlib.Path(var) / "postgres/data").exists():
        subprocess.run([ROOT / "script/postgres", "stop", pathlib.Path(var) / "postgres"])
    print("Stopped.")


def is_daemon(pid, name):
    try:
        return DAEMONS[name].encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def announce(stack, detached):
    print(f"""
  CRM     {stack.url('crm')}/docs
  ERP     {stack.url('erp')}/docs
  bridge  {stack.url('bridge')}/docs

  Try (tokens are in {stack.var}/stack.json):

    T=$(jq -r .crm.token {stack.var}/stack.json)
    curl -H "Authorization: Bearer $T" {stack.url('crm')}/api/v1/accounts
    curl -H "Authorization: Bearer $T" -H 'Content-Type: application/json' \\
         -d '{{"name":"Acme","type":"customer"}}' {stack.url('crm')}/api/v1/accounts
    {stack.bin}/sync-bridge --config {stack.config_path('bridge')} status
""")
    if detached:
        print(f"  Running in the background. Stop: script/server --stop --var {stack.var}\n")
    else:
        print("  Ctrl-C stops all; the data stays. script/demo plays a deal from lead to paid.\n")
    sys.stdout.flush()


def watch(stack):
    """Until a signal: starts a daemon again when it ends by itself."""
    stopping = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.append(True))
    while not stopping:
        time.sleep(0.5)
        for name, process in list(stack.processes.items()):
            if process.poll() is not None and not stopping:
                print(f"{DAEMONS[name]} ended with {process.returncode}; starting it again",
                      file=sys.stderr)
                stack.start_daemon(name)
                stack.write_stack_json()
    print("Stopping ...")
    stack.stop()


def database_url():
    """DATABASE_URL, with the password that DATABASE_PASSWORD_FILE holds; None for a private one."""
    url, file = os.environ.get("DATABASE_URL"), os.environ.get("DATABASE_PASSWORD_FILE")
    if url and file:
        password = urllib.parse.quote(pathlib.Path(file).read_text().strip(), safe="")
        url = url.replace("@", f":{password}@", 1)
    return url


def load_demo_company(stack):
    import demo
    demo.load_company(stack.api("crm"), stack.api("erp"))


def main():
    parser = argparse.ArgumentParser(prog="script/server", description="The whole Dovetail stack.")
    parser.add_argument("--var", default=str(ROOT / "var"), metavar="DIR")
    for name, port in DEFAULT_PORTS.items():
        parser.add_argument(f"--{name}", type=int, default=port, metavar="PORT")
    parser.add_argument("--no-demo", action="store_true", help="start with an empty company")
    parser.add_argument("--detach", action="store_true", help="leave it running")
    parser.add_argument("--stop", action="store_true", help="stop a detached stack")
    parser.add_argument("--prepare", action="store_true",
                        help="roles, schemas, tokens and configuration only; start nothing")
    parser.add_argument("--hosts", default="", metavar="crm=HOST,erp=HOST,bridge=HOST",
                        help="with --prepare: where the daemons will run")
    arguments = parser.parse_args()
    if arguments.stop:
        return stop_detached(arguments.var)
    ports = {name: getattr(arguments, name) for name in DAEMONS}
    if arguments.prepare:
        hosts = dict(pair.split("=") for pair in arguments.hosts.split(",") if pair)
        stack = Stack(arguments.var, ROOT / "build/bin", ports, database_url(), hosts=hosts)
        stack.prepare()
        return stack.write_stack_json()
    for name, port in ports.items():
        if port and not port_is_free(port):
            sys.exit(f"Port {port} is taken; choose another with --{name} PORT.")
    stack = Stack(arguments.var, ROOT / "build/bin", ports, database_url())
    try:
        stack.start(arguments.detach)
        if not arguments.no_demo:
            load_demo_company(stack)
    except (StackError, KeyboardInterrupt) as error:
        stack.stop()
        sys.exit(str(error))
    announce(stack, arguments.detach)
    if not arguments.detach:
        watch(stack)


if __name__ == "__main__":
    main()
