"""A peer of the network in Python: v1 frames, handshake, headers and blocks of regtest."""
import hashlib
import socket
import struct
import time

MAGIC = bytes.fromhex("fabfb5da")
WITNESS = 1 << 30


def sha256d(data):
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def compact(n):
    if n < 0xFD:
        return bytes([n])
    return (b"\xfd" + struct.pack("<H", n)) if n <= 0xFFFF else (b"\xfe" + struct.pack("<I", n))


def frame(command, payload, magic=MAGIC, checksum=None, size=None):
    return (magic + command.encode().ljust(12, b"\0") + struct.pack("<I", len(payload) if size is None else size)
            + (sha256d(payload)[:4] if checksum is None else checksum) + payload)


def version_payload(services=9, version=70016, nonce=1, height=0, agent=b"/test/"):
    address = struct.pack("<Q", services) + bytes(10) + b"\xff\xff" + bytes([127, 0, 0, 1]) + b"\x20\x8d"
    return (struct.pack("<iQq", version, services, int(time.time())) + address * 2 + struct.pack("<Q", nonce)
            + compact(len(agent)) + agent + struct.pack("<i", height) + b"\0")


def header(prev, merkle_root=bytes(32), when=None, bits=0x207FFFFF, version=0x20000000, is_good=True):
    """With proof of work, or surely without."""
    nonce = 0
    while True:
        raw = struct.pack("<I", version) + prev + merkle_root + struct.pack("<III", when or int(time.time()), bits, nonce)
        if (sha256d(raw)[31] < 0x7F) == is_good:
            return raw
        nonce += 1


def make_block(prev, height, when, value=0, padding=0):
    """Only a coinbase: with a value of its own choice, and an output that makes it larger."""
    number = height.to_bytes(height.bit_length() // 8 + 1, "little")
    script = bytes([len(number)]) + number
    burnt = b"\x6a" + bytes(padding)
    tx = (struct.pack("<I", 1) + b"\1" + bytes(32) + b"\xff" * 4 + compact(len(script)) + script + b"\xff" * 4
          + b"\1" + struct.pack("<q", value) + compact(len(burnt)) + burnt + bytes(4))
    return header(prev, sha256d(tx), when) + b"\1" + tx


class Closed(Exception):
    pass


class Peer:
    """Connected to a port on the loopback."""

    def __init__(self, port=None, connection=None, timeout=30):
        self.socket = connection or socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(timeout)

    def send(self, command, payload=b"", **spoilt):
        self.raw(frame(command, payload, **spoilt))

    def raw(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Closed from error

    def take(self, size):
        data = b""
        while len(data) < size:
            try:
                more = self.socket.recv(size - len(data))
            except ConnectionError as error:
                raise Closed from error
            if not more:
                raise Closed
            data += more
        return data

    def receive(self):
        head = self.take(24)
        if head[:4] != MAGIC:
            raise AssertionError(f"magic {head[:4].hex()}")
        payload = self.take(struct.unpack("<I", head[16:20])[0])
        if sha256d(payload)[:4] != head[20:]:
            raise AssertionError("checksum")
        return head[4:16].rstrip(b"\0").decode(), payload

    def wait_for(self, command, answers=None):
        """The payload of the next such message; others are passed over, pings answered."""
        while True:
            got, payload = self.receive()
            if got == command:
                return payload
            if got == "ping":
                self.send("pong", payload)
            if answers and got in answers:
                answers[got](payload)

    def handshake(self, **version):
        self.send("version", version_payload(**version))
        self.wait_for("verack")
        self.send("verack")
        return self

    def is_closed(self, timeout=20):
        """Whether the other side ends it, whatever it says before."""
        self.socket.settimeout(timeout)
        try:
            while self.socket.recv(1 << 16):
                pass
            return True
        except ConnectionError:
            return True
        except TimeoutError:
            return False

    def is_alive(self):
        """Answers a ping, with what came before it handled."""
        nonce = struct.pack("<Q", time.monotonic_ns())
        try:
            self.send("ping", nonce)
            while self.wait_for("pong") != nonce:
                pass
            return True
        except Closed:
            return False

    def close(self):
        self.socket.close()
