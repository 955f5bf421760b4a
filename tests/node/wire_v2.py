"""A peer that speaks BIP324 in Python, as the side that calls: slow, plain, and able to spoil every step."""
import hashlib
import hmac
import os
import struct

from wire import MAGIC, Peer

P = 2**256 - 2**32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
     0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8)
REKEY_INTERVAL = 224
IGNORE = 0x80
TYPES = ("addr block blocktxn cmpctblock feefilter filteradd filterclear filterload getblocks getblocktxn getdata "
         "getheaders headers inv mempool merkleblock notfound ping pong sendcmpct tx getcfilters cfilter getcfheaders "
         "cfheaders getcfcheckpt cfcheckpt addrv2").split()


# ---- secp256k1 and ElligatorSwift ----

def root(a):
    r = pow(a, (P + 1) // 4, P)
    return r if r * r % P == a % P else None


def over(a, b):
    return a * pow(b, P - 2, P) % P


ROOT_3 = root(-3)


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = over(3 * a[0] * a[0], 2 * a[1])
    else:
        slope = over(b[1] - a[1], b[0] - a[0])
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(point, n):
    result = None
    while n:
        if n & 1:
            result = add(result, point)
        point, n = add(point, point), n >> 1
    return result


def curve(x):
    return (x**3 + 7) % P


def decode(key):
    """The x coordinate that 64 bytes stand for."""
    u, t = (int.from_bytes(key[i : i + 32], "big") % P or 1 for i in (0, 32))
    if (curve(u) + t * t) % P == 0:
        t = 2 * t % P
    x = over(curve(u) - t * t, 2 * t)
    y = over(x + t, ROOT_3 * u)
    return next(c for c in ((u + 4 * y * y) % P, over(-over(x, y) - u, 2), over(over(x, y) - u, 2))
                if root(curve(c)) is not None)


def encode(x):
    """64 bytes that stand for x: u is drawn until one of the ways back exists."""
    while True:
        u = int.from_bytes(os.urandom(32), "big") % P
        if not u or root(curve(-x - u)) is not None or (u * u + u * x + x * x) % P == 0:
            continue
        w = root(over(-curve(u), u * u + u * x + x * x))
        if w is not None:
            t = -w * (over(u * (1 - ROOT_3), 2) + x) % P
            key = u.to_bytes(32, "big") + t.to_bytes(32, "big")
            if decode(key) == x:
                return key


# ---- ChaCha20 and Poly1305 ----

def chacha_block(key, counter, nonce):
    start = [*struct.unpack("<4I", b"expand 32-byte k"), *struct.unpack("<8I", key), counter, *struct.unpack("<3I", nonce)]
    s = start[:]
    for i in range(10):
        for a, b, c, d in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                           (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
            for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                s[x] = (s[x] + s[y]) & 0xFFFFFFFF
                v = s[z] ^ s[x]
                s[z] = (v << bits | v >> (32 - bits)) & 0xFFFFFFFF
    return struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(s, start)))


def chacha(key, nonce, data, counter):
    stream = b"".join(chacha_block(key, counter + i, nonce) for i in range((len(data) + 63) // 64))
    return bytes(a ^ b for a, b in zip(data, stream))


def poly_tag(key, nonce, aad, data):
    one_time = chacha_block(key, 0, nonce)
    r = int.from_bytes(one_time[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    text = aad + bytes(-len(aad) % 16) + data + bytes(-len(data) % 16) + struct.pack("<QQ", len(aad), len(data))
    total = 0
    for i in range(0, len(text), 16):
        total = (total + int.from_bytes(text[i : i + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(one_time[16:32], "little")) % 2**128).to_bytes(16, "little")


def seal(key, nonce, aad, data):
    data = chacha(key, nonce, data, 1)
    return data + poly_tag(key, nonce, aad, data)


class LengthCipher:
    def __init__(self, key):
        self.key, self.chunks, self.epoch, self.stream, self.blocks = key, 0, 0, b"", 0

    def take(self, size):
        while len(self.stream) < size:
            self.stream += chacha_block(self.key, self.blocks, struct.pack("<IQ", 0, self.epoch))
            self.blocks += 1
        taken, self.stream = self.stream[:size], self.stream[size:]
        return taken

    def crypt(self, data):
        data = bytes(a ^ b for a, b in zip(data, self.take(3)))
        self.chunks += 1
        if self.chunks % REKEY_INTERVAL == 0:
            self.key, self.stream, self.blocks = self.take(32), b"", 0
            self.epoch += 1
        return data


class PacketCipher:
    def __init__(self, key):
        self.key, self.packets = key, 0

    def next(self):
        """Key and nonce of the next packet."""
        epoch, at = divmod(self.packets, REKEY_INTERVAL)
        used = self.key, struct.pack("<IQ", at, epoch)
        self.packets += 1
        if self.packets % REKEY_INTERVAL == 0:
            self.key = seal(self.key, struct.pack("<IQ", 0xFFFFFFFF, epoch), b"", bytes(32))[:32]
        return used


# ---- the peer ----

class V2Peer(Peer):
    """Garbage and decoys may go out before the version packet; spoil names one thing to do wrong in the handshake:
    terminator, version (its tag)."""

    def __init__(self, port, garbage=b"", decoys=(), spoil=None, timeout=30):
        super().__init__(port, timeout=timeout)
        secret = int.from_bytes(os.urandom(32), "big") % (N - 1) + 1
        self.key = encode(multiply(G, secret)[0])
        self.raw(self.key + garbage)
        self.agree(secret, self.take(64))
        self.raw(bytes(16) if spoil == "terminator" else self.send_terminator)
        self.aad = garbage
        for decoy in decoys:
            self.packet(decoy, header=IGNORE)
        self.packet(b"", is_spoilt=spoil == "version")
        if spoil:
            return
        received = self.take(16)
        while not received.endswith(self.receive_terminator):
            received += self.take(1)
        self.aad_received = received[:-16]
        self.take_packet()

    def agree(self, secret, theirs):
        x = decode(theirs)
        x = multiply((x, root(curve(x))), secret)[0]
        tag = hashlib.sha256(b"bip324_ellswift_xonly_ecdh").digest()
        shared = hashlib.sha256(tag * 2 + self.key + theirs + x.to_bytes(32, "big")).digest()
        extracted = hmac.digest(b"bitcoin_v2_shared_secret" + MAGIC, shared, "sha256")
        length, packet, length_in, packet_in, terminators = (
            hmac.digest(extracted, name + b"\1", "sha256")
            for name in (b"initiator_L", b"initiator_P", b"responder_L", b"responder_P", b"garbage_terminators"))
        self.send_length, self.send_packet = LengthCipher(length), PacketCipher(packet)
        self.receive_length, self.receive_packet = LengthCipher(length_in), PacketCipher(packet_in)
        self.send_terminator, self.receive_terminator = terminators[:16], terminators[16:]

    def packet(self, contents, header=0, claimed=None, is_spoilt=False, cut=None):
        """claimed: a length that is not that of the contents; cut: so many bytes of the packet only."""
        size = len(contents) if claimed is None else claimed
        data = self.send_length.crypt(size.to_bytes(3, "little"))
        data += seal(*self.send_packet.next(), self.aad, bytes([header]) + contents)
        self.aad = b""
        if is_spoilt:
            data = data[:-1] + bytes([data[-1] ^ 1])
        self.raw(data[:cut])

    def send(self, command, payload=b"", is_long=False, **spoilt):
        if command in TYPES and not is_long:
            head = bytes([1 + TYPES.index(command)])
        else:
            head = b"\0" + command.encode().ljust(12, b"\0")
        self.packet(head + payload, **spoilt)

    def take_packet(self):
        """The contents of the next packet that is no decoy."""
        while True:
            size = int.from_bytes(self.receive_length.crypt(self.take(3)), "little")
            data, tag = self.take(1 + size), self.take(16)
            key, nonce = self.receive_packet.next()
            if poly_tag(key, nonce, self.aad_received, data) != tag:
                raise AssertionError("a packet that is not authentic")
            self.aad_received = b""
            data = chacha(key, nonce, data, 1)
            if not data[0] & IGNORE:
                return data[1:]

    def receive(self):
        contents = self.take_packet()
        if contents[0]:
            return TYPES[contents[0] - 1], contents[1:]
        return contents[1:13].rstrip(b"\0").decode(), contents[13:]
