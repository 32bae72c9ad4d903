"""tests/support/storm.py -- a stack behind bad networks, and whatever can happen to one machine.

Each fault is a method; all chances come from one seed, which is printed. What is broken is mended
before the fault's method ends or by heal(); nothing but processes of this stack is touched.
"""
import collections
import http.client
import json
import os
import pathlib
import random
import signal
import subprocess
import time

import psycopg2
from conftest import BIN, ROOT
from fake_system import signed
from fault_proxy import KINDS, SIGNED_KINDS, FaultProxy
from stack import Stack, StackError
from waiting import all_ready, revive

FAIL_FSYNC = ROOT / "tests/support/fail_fsync.c"
FAKETIME = next(pathlib.Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
DISK = "3g"


def put(path, text):
    """Who reads it just now reads the old or the new one."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


class StormStack(Stack):
    """Both ways between the bridge and each system lead through a proxy; a disk of its own."""

    def __init__(self, folder, seed, programs=None, bridge=None):
        super().__init__(folder, programs.bin if programs else BIN,
                         options={"bridge": {"allow-plain-http": "on", **(bridge or {})}})
        self.mappings = (programs.tree if programs else ROOT) / "sync-bridge/mappings"
        self.proxies = {name: FaultProxy(self.ports[name], f"{seed} to {name}", kinds)
                        for name, kinds in (("crm", KINDS), ("erp", KINDS),
                                            ("bridge", SIGNED_KINDS))}
        self.disk = self.var / "postgres"
        self.disk.mkdir()
        self.has_disk = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs",
                                        self.disk], capture_output=True).returncode == 0
        self.bad_fsync = self.disk / "fsync-fails"
        self.clock = self.var / "clock"
        self.set_clock(0)
        if FAKETIME:
            self.environment["crm"] = {
                "LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(self.clock),
                "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_CACHE_DURATION": "1",
                "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") +
                ":verify_asan_link_order=0"}

    def postgres(self, command):
        """Its fsync fails while the file bad_fsync is there."""
        library = self.var / "fail_fsync.so"
        if not library.exists():
            subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, FAIL_FSYNC, "-ldl"],
                           check=True)
        self.environment["postgres"] = {"LD_PRELOAD": str(library),
                                        "FAIL_FSYNC_WHILE": str(self.bad_fsync)}
        return super().postgres(command)

    def write_bridge_json(self):
        super().write_bridge_json()
        path = self.var / "bridge.json"
        config = json.loads(path.read_text())
        config["mappings"] = str(self.mappings)
        config["public_url"] = self.proxies["bridge"].url
        for name in ("crm", "erp"):
            config["systems"][name]["url"] = self.proxies[name].url
        path.write_text(json.dumps(config))

    def set_clock(self, seconds):
        """Of the CRM's process, from its next look at the file on: within a second."""
        put(self.clock, f"{seconds:+d}\n")

    def size_disk(self, size):
        subprocess.run(["mount", "-o", f"remount,size={size}", self.disk], check=True,
                       capture_output=True)

    def end_disk(self):
        for proxy in self.proxies.values():
            proxy.close()
        if self.has_disk:
            subprocess.run(["umount", self.disk], capture_output=True)


class Storm:
    def __init__(self, stack, seed, share=0.12):
        self.stack, self.share = stack, share
        self.random = random.Random(seed)
        self.counts = collections.Counter()
        self.poisoned = 0
        self.snapshots = []
        self.faults = [self.kill_crm, self.kill_erp, self.kill_bridge, self.freeze,
                       self.crash_postgres, self.kill_backend, self.terminate_backends,
                       self.take_all_connections, self.lock_records, self.link_away,
                       self.erp_away, self.poison, self.fail_fsync, self.lose_name]
        if stack.has_disk:
            self.faults.append(self.fill_disk)
        if FAKETIME:
            self.faults.append(self.jump_clock)

    @property
    def injections(self):
        return sum(self.counts.values()) + sum(p.injections for p in self.stack.proxies.values())

    def begin(self):
        for proxy in self.stack.proxies.values():
            proxy.share = self.share
        self.hold_snapshot()

    def run(self, seconds):
        """Every fault once, then any, until the time is over; each once however long it takes."""
        until = time.monotonic() + seconds
        order = self.random.sample(self.faults, len(self.faults))
        while order or time.monotonic() < until:
            fault = order.pop() if order else self.random.choice(self.faults)
            self.counts[fault.__name__] += 1
            fault()
            revive(self.stack)
            time.sleep(self.random.uniform(0.05, 0.6))

    def heal(self):
        for proxy in self.stack.proxies.values():
            proxy.heal()
        for snapshot in self.snapshots:
            try:
                snapshot.close()
            except psycopg2.Error:
                pass                       # it died with PostgreSQL
        self.postgres_up()
        all_ready(self.stack)

    def told(self):
        lines = [f"{count:6} {name}" for name, count in sorted(self.counts.items())]
        for to, proxy in self.stack.proxies.items():
            lines += [f"{count:6} {kind} on the way to {to} (of {proxy.number} requests)"
                      for kind, count in sorted(proxy.counts.items())]
        return "\n".join(lines)

    # ---- processes ----

    def kill(self, name):
        process = self.stack.processes[name]
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.stack.start_daemon(name)

    def kill_crm(self):
        self.kill("crm")

    def kill_erp(self):
        self.kill("erp")

    def kill_bridge(self):
        self.kill("bridge")

    def freeze(self):
        process = self.stack.processes[self.random.choice(["crm", "erp", "bridge"])]
        process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(self.random.uniform(0.5, 3))
        finally:
            process.send_signal(signal.SIGCONT)

    def erp_away(self):
        process = self.stack.processes["erp"]
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(self.random.uniform(1, 3))
        self.stack.start_daemon("erp")

    def jump_clock(self):
        """Ten minutes: its messages are refused until the clock is right again."""
        self.stack.set_clock(self.random.choice([-600, 600]))
        time.sleep(2)
        self.stack.set_clock(0)

    # ---- PostgreSQL ----

    def connect(self):
        """As soon as it lets somebody in: it may be recovering still."""
        for _ in range(100):
            try:
                return psycopg2.connect(self.stack.database_url)
            except psycopg2.OperationalError:
                time.sleep(0.1)
        return psycopg2.connect(self.stack.database_url)

    def postgres_up(self):
        """A crash or a full disk may have ended it, or left it recovering."""
        for _ in range(60):
            try:
                return self.stack.postgres("start")
            except StackError:
                time.sleep(0.5)
        raise StackError("PostgreSQL does not come back")

    def crash_postgres(self):
        self.stack.postgres("crash")
        self.postgres_up()

    def backends(self):
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pid FROM pg_stat_activity"
                           " WHERE usename IN ('crm', 'erp', 'bridge') ORDER BY pid")
            return [pid for pid, in cursor.fetchall()]

    def kill_backend(self):
        """PostgreSQL restarts all of its processes then, and recovers."""
        pids = self.backends()
        for pid in self.random.sample(pids, min(1, len(pids))):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass                       # it has just ended
        self.postgres_up()

    def terminate_backends(self):
        for _ in range(5):
            with self.connect() as connection, connection.cursor() as cursor:
                pids = self.backends()
                cursor.execute("SELECT pg_terminate_backend(pid) FROM unnest(%s::int[]) pid",
                               (self.random.sample(pids, len(pids) // 2),))
            time.sleep(0.1)

    def take_all_connections(self):
        """The daemons' connections end, and there are no others."""
        hogs = []
        try:
            pids = self.backends()
            for _ in range(400):
                hogs.append(psycopg2.connect(self.stack.database_url))
                if len(hogs) == 10:
                    with hogs[0].cursor() as cursor:
                        cursor.execute("SELECT pg_terminate_backend(pid)"
                                       " FROM unnest(%s::int[]) pid", (pids,))
        except psycopg2.OperationalError:
            time.sleep(self.random.uniform(0.3, 1))
        finally:
            for hog in hogs:
                hog.close()

    def lock_records(self):
        """Somebody holds the records that everybody wants."""
        table = self.random.choice(["crm.account", "crm.opportunity", "erp.customer", "erp.item",
                                    "erp.sales_order", "bridge.message"])
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT FROM {table} ORDER BY id DESC LIMIT 20 FOR UPDATE SKIP LOCKED")
            time.sleep(self.random.uniform(0.3, 1.5))
            connection.rollback()

    def hold_snapshot(self):
        snapshot = self.connect()
        snapshot.set_session(isolation_level="REPEATABLE READ")
        snapshot.cursor().execute("SELECT count(*) FROM crm.event")
        self.snapshots.append(snapshot)
        self.counts["hold_snapshot"] += 1

    def fill_disk(self):
        """The disk ends where its last file does; PostgreSQL may stop over it."""
        used = subprocess.run(["df", "--output=used", "-k", self.stack.disk],
                              capture_output=True, text=True, check=True).stdout.split()[1]
        try:
            self.stack.size_disk(f"{int(used) + 256}k")
            time.sleep(self.random.uniform(0.3, 1))
        except subprocess.CalledProcessError:
            pass                           # it has grown meanwhile
        finally:
            self.stack.size_disk(DISK)
        self.postgres_up()

    def fail_fsync(self):
        """PostgreSQL does not trust the disk any more then: it ends, and recovers from its log."""
        self.stack.bad_fsync.touch()
        try:
            time.sleep(self.random.uniform(0.1, 0.5))
        finally:
            self.stack.bad_fsync.unlink()
        self.postgres_up()

    # ---- the network, and what comes over it ----

    def lose_name(self):
        """The ERP's name cannot be found, until the configuration is right again."""
        path = self.stack.var / "bridge.json"
        right = path.read_text()
        put(path, right.replace(self.stack.proxies["erp"].url, "http://erp.invalid:1"))
        self.stack.processes["bridge"].send_signal(signal.SIGHUP)
        try:
            time.sleep(self.random.uniform(0.3, 1.5))
        finally:
            put(path, right)
        api = self.stack.api("bridge")
        while True:
            try:
                if api.raw("POST", "/config/reload", {}).status == 200:
                    return
            except (OSError, http.client.HTTPException):
                pass
            api.close()
            revive(self.stack)
            time.sleep(0.1)

    def link_away(self):
        self.random.choice(list(self.stack.proxies.values())).away(self.random.uniform(0.3, 1.5))

    def poison(self):
        """A well signed account that no ERP would take."""
        number = 900_000_000 + self.poisoned
        body = json.dumps({"type": "account.updated", "timestamp": "2026-03-01T10:00:00.000000Z",
                           "data": {"entity": "account", "id": number, "version": 1,
                                    "origin": "user", "trace": "0" * 31 + "1", "changed": [],
                                    "record": {"id": number, "version": 1, "name": "",
                                               "type": "customer", "currency": "???",
                                               "parent_id": None}}}).encode()
        secret = (self.stack.var / "secrets/crm-webhook").read_text()
        api = self.stack.api("bridge")
        while True:
            try:
                if api.raw("POST", "/inbox/crm", body,
                           signed(secret, body, f"poison-{number}")).status == 202:
                    self.poisoned += 1
                    return
            except OSError:
                pass
            api.close()
            revive(self.stack)
            time.sleep(0.1)
