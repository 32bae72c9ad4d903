"""packaging/man/make.py -- fills a manual page with the options and commands its program knows.

    make.py TEMPLATE PROGRAM OUTPUT
"""
import pathlib
import re
import subprocess
import sys

ROW = re.compile(r"^\| `([^`]+)` \| `([^`]+)` \| (.*?) \| (.*?) \| (.*) \|$", re.M)


def roff(text):
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "")
    return re.sub(r"(?m)^([.'])", r"\\&\1", text)


def options(program):
    table = subprocess.run([program, "--config-doc"], capture_output=True, text=True,
                           check=True).stdout
    lines = []
    for name, variable, values, default, what in ROW.findall(table):
        lines += [".TP", f".BR \\-\\-{roff(name)} \" (\" {roff(variable)} )", roff(what)]
        default = f"; default {default}" if default else ""
        lines += [roff(f"({values}{default})")]
    assert lines, table
    return "\n".join(lines)


def commands(program):
    """As the program's usage lists them: two blanks, the command and its arguments."""
    usage = subprocess.run([program, "help"], capture_output=True, text=True)
    lines = []
    for line in (usage.stdout + usage.stderr).splitlines():
        if line.startswith("  "):
            name, _, arguments = line.strip().partition(" ")
            lines += [".TP", f".B {roff(name)}" + (f" {roff(arguments)}" if arguments else "")]
            lines += ["\\&"]
    assert lines, usage
    return "\n".join(lines)


def main():
    template, program, output = sys.argv[1:]
    page = pathlib.Path(template).read_text()
    version = subprocess.run([program, "--version"], capture_output=True, text=True,
                             check=True).stdout.strip()
    page = page.replace("@VERSION@", version).replace("@OPTIONS@", options(program))
    if "@COMMANDS@" in page:
        page = page.replace("@COMMANDS@", commands(program))
    pathlib.Path(output).write_text(page)


main()
