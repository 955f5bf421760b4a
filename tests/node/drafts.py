"""Blocks and transactions as drafts: every field can be set to anything, then written as on the wire."""
import struct

from wire import compact, sha256d

COMMITMENT = bytes.fromhex("6a24aa21a9ed")
NO_TXID = bytes(32)
FINAL = 0xFFFFFFFF


def push(data):
    if len(data) < 0x4C:
        return bytes([len(data)]) + data
    return (b"\x4c" + bytes([len(data)]) if len(data) < 0x100 else b"\x4d" + struct.pack("<H", len(data))) + data


def script_number(n):
    """Minimal, as BIP34 wants heights: OP_0, OP_1 to OP_16, then bytes."""
    if n == 0:
        return b"\0"
    if 0 < n <= 16:
        return bytes([0x50 + n])
    size = (n.bit_length() + 8) // 8
    return push(n.to_bytes(size, "little"))


def string(data):
    return compact(len(data)) + data


class Input:
    def __init__(self, txid=NO_TXID, vout=FINAL, script=b"", sequence=FINAL, witness=()):
        self.txid, self.vout, self.script, self.sequence, self.witness = txid, vout, script, sequence, list(witness)


class Output:
    def __init__(self, value, script):
        self.value, self.script = value, script


class Tx:
    def __init__(self, inputs, outputs, version=2, lock_time=0):
        self.inputs, self.outputs, self.version, self.lock_time = inputs, outputs, version, lock_time

    def stripped(self):
        return b"".join((
            struct.pack("<I", self.version & 0xFFFFFFFF), compact(len(self.inputs)),
            *(i.txid + struct.pack("<I", i.vout) + string(i.script) + struct.pack("<I", i.sequence) for i in self.inputs),
            compact(len(self.outputs)), *(struct.pack("<q", o.value) + string(o.script) for o in self.outputs),
            struct.pack("<I", self.lock_time)))

    def has_witness(self):
        return any(i.witness for i in self.inputs)

    def raw(self):
        whole = self.stripped()
        if not self.has_witness():
            return whole
        stacks = b"".join(compact(len(i.witness)) + b"".join(map(string, i.witness)) for i in self.inputs)
        return whole[:4] + b"\0\1" + whole[4:-4] + stacks + whole[-4:]

    def txid(self):
        return sha256d(self.stripped())

    def wtxid(self):
        return sha256d(self.raw())


def merkle_root(hashes):
    while len(hashes) > 1:
        if len(hashes) % 2:
            hashes = hashes + hashes[-1:]
        hashes = [sha256d(a + b) for a, b in zip(hashes[::2], hashes[1::2])]
    return hashes[0]


class Block:
    def __init__(self, prev, time, txs, version=0x20000000, bits=0x207FFFFF):
        self.prev, self.time, self.txs, self.version, self.bits = prev, time, txs, version, bits
        self.merkle_root = None  # what the transactions say

    def weight(self):
        counts = 80 + len(compact(len(self.txs)))
        return 4 * counts + sum(3 * len(tx.stripped()) + len(tx.raw()) for tx in self.txs)

    def commit(self, nonce=bytes(32)):
        """BIP141: the coinbase's last output commits to the witnesses."""
        coinbase = self.txs[0]
        root = merkle_root([bytes(32)] + [tx.wtxid() for tx in self.txs[1:]])
        coinbase.inputs[0].witness = [nonce]
        coinbase.outputs.append(Output(0, COMMITMENT + sha256d(root + nonce)))

    def raw(self):
        """With the least nonce that proves the work."""
        root = self.merkle_root or merkle_root([tx.txid() for tx in self.txs])
        head = struct.pack("<I", self.version & 0xFFFFFFFF) + self.prev + root + struct.pack("<II", self.time, self.bits)
        nonce = 0
        while sha256d(head + struct.pack("<I", nonce))[31] > 0x7E:
            nonce += 1
        self.hash = sha256d(head + struct.pack("<I", nonce))
        return head + struct.pack("<I", nonce) + compact(len(self.txs)) + b"".join(tx.raw() for tx in self.txs)
