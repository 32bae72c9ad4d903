"""tests/support/activation.py -- plays systemd: holds the socket, hears what a daemon notifies."""
import os
import socket
import subprocess
import uuid

from stack import DAEMONS

# The descriptor must be number 3 and LISTEN_PID the daemon's own, which only it knows.
SHELL = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&{}'


class Notifications:
    """A NOTIFY_SOCKET and what came in."""

    def __init__(self, folder):
        self.path = str(folder / f"notify-{uuid.uuid4().hex[:12]}")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)

    def next(self, seconds=30):
        """The next datagram; None when there is none in time."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(4096).decode()
        except TimeoutError:
            return None

    def wait_for(self, text, seconds=30):
        """Reads on until one says so."""
        while True:
            said = self.next(seconds)
            assert said is not None, f"nobody said {text}"
            if text in said.splitlines():
                return said

    def drain(self):
        """What has come in so far."""
        heard = []
        while (said := self.next(0.001)) is not None:
            heard.append(said)
        return heard

    def close(self):
        self.socket.close()
        os.unlink(self.path)


class Unit:
    """One daemon of a prepared stack, as a .service with its .socket."""

    def __init__(self, stack, name, *flags, activated=True):
        self.stack, self.name, self.flags = stack, name, flags
        self.process, self.listening, self.heard = None, None, None
        if activated:
            self.listening = socket.create_server(("127.0.0.1", stack.ports[name]), backlog=1024)

    def start(self):
        """Starts one more process and waits until it says READY=1."""
        heard = Notifications(self.stack.var)
        command = [self.stack.bin / DAEMONS[self.name], "--config",
                   self.stack.config_path(self.name), *self.flags]
        keep = ()
        if self.listening:
            keep = (self.listening.fileno(),)
            command = ["bash", "-c", SHELL.format(*keep), "bash", *command]
        with open(self.stack.var / f"{DAEMONS[self.name]}.log", "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, pass_fds=keep,
                                            env={**os.environ, "NOTIFY_SOCKET": heard.path})
        heard.wait_for("READY=1")
        self.heard = heard
        return self.process

    def replace(self):
        """A new process beside the old one, which then drains; answers its exit status."""
        old, heard = self.process, self.heard
        self.start()
        old.terminate()
        status = old.wait(40)
        heard.close()
        return status

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(40)
        if self.heard:
            self.heard.close()
            self.heard = None
        if self.listening:
            self.listening.close()
