"""tests/support/metrics.py -- reads a daemon's Prometheus page and asks promtool about files."""
import re
import subprocess

SAMPLE = re.compile(r'([a-z_]+)(?:\{(.*)\})? (\S+)')
LABEL = re.compile(r'([a-z_]+)="([^"]*)"')


def scrape(api):
    reply = api.raw("GET", "/metrics")
    assert reply.status == 200
    return reply.raw.decode()


def samples(page):
    """[(name, {label: value}, number)]"""
    found = []
    for line in page.splitlines():
        if not line.startswith("#"):
            name, labels, number = SAMPLE.fullmatch(line).groups()
            found.append((name, dict(LABEL.findall(labels or "")), float(number)))
    return found


def names(page):
    """Of the families, as declared."""
    return re.findall(r"^# TYPE (\S+) ", page, re.M)


def value(page, name, **labels):
    """The sum of what fits; None when nothing does."""
    fitting = [number for found, has, number in samples(page)
               if found == name and labels.items() <= has.items()]
    return sum(fitting) if fitting else None


def promtool(*arguments, stdin=None, cwd=None):
    """Fails unless promtool finds nothing to say."""
    done = subprocess.run(["promtool", *map(str, arguments)], input=stdin, cwd=cwd,
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
