"""The reference node as tests use it: on regtest, alone, in a directory of its own."""
import base64
import http.client
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time

MAGIC = bytes.fromhex("fabfb5da")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def read_blocks(path):
    """The raw blocks of a bootstrap.dat, in file order."""
    with open(path, "rb") as f:
        data = f.read()
    pos = 0
    while pos < len(data):
        size = int.from_bytes(data[pos + 4 : pos + 8], "little")
        if data[pos : pos + 4] != MAGIC or pos + 8 + size > len(data):
            raise ValueError(f"{path}: no block at byte {pos}")
        yield data[pos + 8 : pos + 8 + size]
        pos += 8 + size


class RpcError(Exception):
    pass


class ReferenceNode:
    """Runs from __enter__ to __exit__; nothing of it stays. It neither listens nor connects.
    blocks: a file that it finds in the place of its own blocks and indexes."""

    def __init__(self, directory, *options, blocks=None):
        self.binary = os.path.join(directory, "bitcoind")
        self.options = options
        self.blocks = blocks

    def __enter__(self):
        self.datadir = tempfile.mkdtemp(prefix="caesure-reference-")
        self.port = free_port()
        if self.blocks:
            os.makedirs(os.path.join(self.datadir, "regtest", "blocks"))
            shutil.copy(self.blocks, os.path.join(self.datadir, "regtest", "blocks", "blk00000.dat"))
            self.options += ("-blocksxor=0",)
        self.start(*(["-reindex"] if self.blocks else []))
        return self

    def start(self, *once):
        command = [self.binary, "-regtest", "-dnsseed=0", "-fixedseeds=0", "-connect=0", "-listen=0",
                   "-rpcbind=127.0.0.1", "-rpcallowip=127.0.0.1", f"-rpcport={self.port}",
                   f"-datadir={self.datadir}", "-printtoconsole=0", "-assumevalid=0", *self.options, *once]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:
            self.wait_for(self.is_up, "the reference node to start")
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
        shutil.rmtree(self.datadir, ignore_errors=True)

    def is_up(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the reference node ended with {self.process.returncode}")
        try:
            self.rpc("getblockcount")
        except (OSError, RpcError):
            return False
        return True

    def wait_for(self, is_reached, what, timeout_s=120):
        end = time.monotonic() + timeout_s
        while not is_reached():
            if time.monotonic() > end:
                raise TimeoutError(f"waited {timeout_s} s for {what}")
            time.sleep(0.05)

    def rpc(self, method, *params):
        with open(os.path.join(self.datadir, "regtest", ".cookie"), "rb") as f:
            login = base64.b64encode(f.read()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request("POST", "/", json.dumps({"method": method, "params": params}),
                               {"Authorization": "Basic " + login})
            body = connection.getresponse().read()
        finally:
            connection.close()
        answer = json.loads(body, parse_float=str) if body else {"error": "no answer"}
        if answer["error"]:
            raise RpcError(f"{method}: {answer['error']}")
        return answer["result"]
