"""tests/support/operator_cli.py -- the operator's commands, as an operator types them."""
import subprocess


def cli(lone, *arguments, status=0, seconds=30, **environment):
    """What sync-bridge printed; it must end with this status. lone has a stack, or is one."""
    stack = getattr(lone, "stack", lone)
    done = subprocess.run([stack.bin / "sync-bridge", "--config", stack.config_path("bridge"),
                           *map(str, arguments)],
                          capture_output=True, text=True, timeout=seconds, env=environment or None)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr
