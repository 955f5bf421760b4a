"""A node whose directory outlives it, and what must be in there afterwards; see durable and powercut."""
import json
import os
import signal
import socket
import subprocess
import sys
import time

CAESURE, CHAINGEN = sys.argv[1:3]
HORIZON = 20


def check(is_good, what):
    if not is_good:
        raise AssertionError(what)


def options(folder):
    return [CAESURE, "--chain", "regtest", "-b", folder, "--horizon", str(HORIZON), "-o", "0", "-j", "2"]


def ask(folder, request, timeout=120):
    """The answer as a dict of its `name value` lines."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(timeout)
        client.connect(os.path.join(folder, "monitor"))
        client.sendall(request.encode() + b"\n")
        text = b""
        while not text.endswith(b"\n\n"):
            more = client.recv(1 << 16)
            if not more:
                raise ConnectionError(f"{request}: {text}")
            text += more
    lines = text.decode().strip().split("\n")
    return dict(line.partition(" ")[::2] for line in lines)


class Node:
    """Its socket and what it says are in folder; so is its base, unless that is elsewhere. group: run in the new process,
    to put it into a cgroup."""

    def __init__(self, folder, *more, base=None, group=None):
        self.folder = folder
        self.log = open(os.path.join(folder, "log"), "a+", encoding="utf-8")
        self.process = subprocess.Popen(
            [*options(base or folder), "--monitor", os.path.join(folder, "monitor"), *more],
            stdin=subprocess.DEVNULL, stderr=self.log, preexec_fn=group)

    def wait_for_monitor(self):
        for _ in range(2400):
            try:
                return ask(self.folder, "version")
            except OSError:
                check(self.process.poll() is None, f"ended with {self.process.returncode}: {self.text()}")
                time.sleep(0.05)
        raise AssertionError("no monitor socket")

    def wait_for_tip(self, height, tip):
        for _ in range(2400):
            answer = ask(self.folder, "tip")
            if answer["hash"] == tip:
                return
            time.sleep(0.05)
        raise AssertionError(f"height {answer['height']}, not {height}: {self.text()[-3000:]}")

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def kill(self):
        """Whether it was still importing."""
        self.process.kill()
        check(self.process.wait() == -signal.SIGKILL, self.text()[-3000:])
        was_importing = "import: " not in self.text()
        self.log.close()
        return was_importing

    def stop(self):
        self.process.terminate()
        begun = time.time()
        code = self.process.wait(120)
        check(code in (0, 10), f"exit code {code}: {self.text()[-3000:]}")
        check(time.time() - begun < 30, "a shutdown takes seconds")
        self.log.close()


def generate(path, *more):
    made = subprocess.run([CHAINGEN, "--out", path, "--json", "--quiet", *map(str, more)], check=True,
                          stdout=subprocess.PIPE)
    return json.loads(made.stdout)


def run_import(folder, path):
    os.makedirs(folder, exist_ok=True)
    done = subprocess.run([*options(folder), "--import", path, "--exit-when-synced"], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=600, check=False)
    check(done.returncode == 0, done.stderr.decode()[-3000:])
    return done.stderr.decode()


def audit(folder, totals, what):
    """Of a node that is started for it: the coin set is the right one."""
    node = Node(folder)
    node.wait_for_monitor()
    node.wait_for_tip(totals["height"], totals["hash"])
    answer = ask(folder, "audit")
    for name in "height", "hash", "coins", "amount":
        check(answer[name] == str(totals[name]), f"{what}: {name}: {answer[name]}, not {totals[name]}")
    node.stop()
    return answer["hash_serialized_3"], answer["muhash"]
