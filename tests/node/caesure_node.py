"""Our node as tests beside others use it: on regtest, all scripts checked, in a directory that is given."""
import json
import os
import signal
import socket
import subprocess
import sys
import time

from reference import free_port

CAESURE, CHAINGEN = sys.argv[1:3]
checks = 0


def check(is_good, what):
    global checks
    checks += 1
    if not is_good:
        raise AssertionError(what)


def count_checks():
    return checks


def wait_for(is_reached, what, timeout_s=120):
    end = time.monotonic() + timeout_s
    while not is_reached():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {timeout_s} s for {what}")
        time.sleep(0.05)


def generate(name, *options):
    out = subprocess.run([CHAINGEN, "--out", name, "--json", "--quiet", *map(str, options)], check=True,
                         stdout=subprocess.PIPE).stdout
    return json.loads(out)


def import_file(folder, path):
    os.makedirs(folder)
    subprocess.run([CAESURE, "--chain", "regtest", "-b", folder, "--import", path, "--exit-when-synced", "--assumevalid",
                    "0", "-o", "0"], check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class CaesureNode:
    """With its monitor and a port to be called at."""

    def __init__(self, folder, *options):
        os.makedirs(folder, exist_ok=True)
        self.folder, self.port = folder, free_port()
        self.path = os.path.join(folder, "monitor")
        self.command = [CAESURE, "--chain", "regtest", "-b", folder, "--monitor", self.path, "--assumevalid", "0",
                        "-s", f"127.0.0.1:{self.port}", *(() if "-o" in options else ("-o", "0")), *map(str, options)]

    def __enter__(self):
        self.log = open(os.path.join(self.folder, "log"), "a+", encoding="utf-8")
        self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stderr=self.log)
        wait_for(self.is_up, "our node to start", 60)
        return self

    def is_up(self):
        if self.process.poll() is not None:
            raise AssertionError(f"our node ended with {self.process.returncode}: {self.text()}")
        try:
            self.ask("tip")
            return True
        except OSError:
            return False

    def text(self):
        self.log.seek(0)
        return self.log.read()[-4000:]

    def __exit__(self, *failure):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        if failure[0]:
            print(self.text())
        else:
            check(code == 0, f"our node ended with {code}: {self.text()}")
        self.log.close()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def ask(self, request):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(120)
            s.connect(self.path)
            s.sendall(request.encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n\n"):
                more = s.recv(1 << 16)
                if not more:
                    raise OSError("the monitor socket was closed")
                answer += more
                if answer == b"\n":
                    break
        return answer.decode().splitlines()[:-1]

    def values(self, request):
        return dict(line.split(" ", 1) for line in self.ask(request))

    def tip(self):
        return self.values("tip")["hash"]

    def check_memory(self, used_mb, limit_mb, what):
        """Not with a sanitizer, which has its own."""
        with open(f"/proc/{self.process.pid}/maps", encoding="ascii") as f:
            check("san.so" in f.read() or used_mb <= limit_mb, f"{used_mb:.1f} MB for {what}")

    def memory_mb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024

    def peers(self):
        return [dict(pair.split("=", 1) for pair in line.split(" ") if "=" in pair) for line in self.ask("peers")]
