"""tests/consistency/test_packaging.py -- units, pages, alerts and dashboard fit the programs."""
import json
import os
import pathlib
import re
import subprocess

import pytest
import yaml

from conftest import BIN
from metrics import names, promtool, scrape

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DAEMONS = ["crm-server", "erp-server", "sync-bridge"]
OTHERS = {"up", "node_filesystem_avail_bytes", "node_filesystem_size_bytes"}
WORDS = {"sum", "max", "min", "by", "rate", "increase", "histogram_quantile", "topk", "time", "and",
         "min_over_time", "le", "for"}


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The tree that cmake --install makes."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run(["cmake", "--install", BIN.parent, "--prefix", "/usr"], check=True,
                   capture_output=True, env={**os.environ, "DESTDIR": str(folder)})
    return folder


def metrics_in(expression):
    expression = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(by|on) \([^)]*\)|\"[^\"]*\"", "", expression)
    return set(re.findall(r"\b[a-z][a-z_]*[a-z]\b", expression)) - WORDS


def known(stack):
    """Every name a sample may have on a page of the three."""
    found = set()
    for daemon in ("crm", "erp", "bridge"):
        for name in names(scrape(stack.api(daemon))):
            found |= {name, name + "_bucket", name + "_sum", name + "_count"}
    return found


def rules():
    text = (ROOT / "packaging/prometheus/dovetail.rules.yml").read_text()
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def anchors():
    headings = re.findall(r"^## (.+)$", (ROOT / "docs/OPERATIONS.md").read_text(), re.M)
    return {re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_promtool_takes_the_rules_and_their_tests_pass():
    folder = ROOT / "packaging/prometheus"
    promtool("check", "rules", "dovetail.rules.yml", cwd=folder)
    promtool("test", "rules", "dovetail.test.yml", cwd=folder)


def test_every_alert_names_a_runbook_that_is_there_and_names_it():
    text = (ROOT / "docs/OPERATIONS.md").read_text()
    for rule in rules():
        page, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/OPERATIONS.md" and anchor in anchors(), rule["alert"]
        assert rule["alert"] in text, rule["alert"]
    assert set(re.findall(r"\]\(#([a-z0-9-]+)\)", text)) <= anchors()


def test_rules_and_dashboard_ask_only_for_metrics_that_exist(stack):
    there = known(stack) | OTHERS
    dashboard = json.loads((ROOT / "packaging/grafana/dovetail.json").read_text())
    expressions = [rule["expr"] for rule in rules()]
    expressions += [target["expr"] for panel in dashboard["panels"]
                    for target in panel.get("targets", [])]
    assert len(expressions) > 60
    asked = set().union(*map(metrics_in, expressions))
    assert asked - there == set()
    assert len(asked) > 40


def test_the_dashboard_has_ids_of_its_own_and_panels_that_do_not_overlap():
    panels = json.loads((ROOT / "packaging/grafana/dovetail.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [(x, y) for panel in panels for at in [panel["gridPos"]]
             for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
    assert len(set(cells)) == len(cells) and max(x for x, _ in cells) < 24


@pytest.mark.parametrize("daemon", DAEMONS)
def test_the_sandbox_of_each_unit_scores_1_5_or_better(daemon):
    unit = ROOT / f"packaging/systemd/{daemon}.service"
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=15",
                           "--no-pager", unit], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr
    assert "Overall exposure level" in done.stdout


@pytest.mark.parametrize("daemon", DAEMONS)
def test_systemd_has_nothing_to_say_of_the_units(installed, daemon, tmp_path):
    """With the programs and pages where this installation has them."""
    for kind in ("service", "socket"):
        text = (installed / f"usr/lib/systemd/system/{daemon}.{kind}").read_text()
        (tmp_path / f"{daemon}.{kind}").write_text(
            text.replace("/usr/bin/", f"{installed}/usr/bin/"))
    done = subprocess.run(["systemd-analyze", "verify", "--recursive-errors=no",
                           tmp_path / f"{daemon}.service", tmp_path / f"{daemon}.socket"],
                          capture_output=True, text=True,
                          env={**os.environ, "MANPATH": str(installed / "usr/share/man")})
    assert done.returncode == 0 and daemon not in done.stderr, done.stderr


def test_everything_is_installed_where_the_units_look_for_it(installed):
    for daemon in DAEMONS:
        unit = (installed / f"usr/lib/systemd/system/{daemon}.service").read_text()
        program, config = re.search(r"ExecStart=(\S+) --config (\S+)", unit).groups()
        assert os.access(str(installed) + program, os.X_OK)
        settings = pathlib.Path(str(installed) + config).read_text()
        given = set(re.findall(rf"LoadCredential=([^:]+):/etc/dovetail/credentials/{daemon}/\1$",
                               unit, re.M))
        wanted = set(re.findall(r"= @(\S+)", settings))
        if daemon == "sync-bridge":
            wanted |= set(re.findall(r'"@([^"]+)"', (
                installed / "etc/dovetail/bridge.json").read_text()))
            assert list((installed / "etc/dovetail/mappings").glob("*.jq"))
            assert "bridge-config = /etc/dovetail/bridge.json" in settings
        assert wanted == given, daemon
        assert (installed / f"usr/lib/systemd/system/{daemon}.socket").exists()
    for path in ("usr/share/dovetail/dovetail.rules.yml", "usr/share/dovetail/dovetail.json"):
        assert (installed / path).exists()


@pytest.mark.parametrize("daemon", DAEMONS)
def test_manual_pages_have_every_option_and_no_flaw(installed, daemon):
    page = installed / f"usr/share/man/man8/{daemon}.8"
    lint = subprocess.run(["mandoc", "-Tlint", "-Wwarning", page], capture_output=True, text=True)
    assert lint.returncode == 0 and lint.stdout == "", lint.stdout
    shown = subprocess.run(["mandoc", "-Tutf8", page], capture_output=True, text=True,
                           check=True).stdout
    shown = re.sub(r".\x08", "", shown)
    table = subprocess.run([BIN / daemon, "--config-doc"], capture_output=True, text=True).stdout
    for option in re.findall(r"^\| `([a-z-]+)`", table, re.M):
        assert f"--{option} (" in shown, option
    if daemon == "sync-bridge":
        assert re.search(r"^ +retry\b", shown, re.M) and re.search(r"^ +status\b", shown, re.M)


def test_a_secret_without_a_slash_is_a_credential_of_the_unit(stack, tmp_path):
    (tmp_path / "database").write_text(stack.user_url("crm") + "\n")
    settings = tmp_path / "crm-server.ini"
    settings.write_text((ROOT / "packaging/etc/crm-server.ini").read_text())
    command = [BIN / "crm-server", "--config", settings, "--migrate"]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/",
                          env={**os.environ, "CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    done = subprocess.run(command, capture_output=True, text=True, cwd="/")
    assert done.returncode == 2 and "the file database cannot be read" in done.stderr
