"""Blocks read anew in Python, and the texts of the first Caesure, for comparison with the tools' answers."""
import hashlib
import struct

MAGIC = bytes.fromhex("fabfb5da")
NAMES = {0x61: "OP_NOP", 0x69: "OP_VERIFY", 0x6A: "OP_RETURN", 0x75: "OP_DROP", 0x76: "OP_DUP", 0x87: "OP_EQUAL",
         0x88: "OP_EQUALVERIFY", 0x93: "OP_ADD", 0xA8: "OP_SHA256", 0xA9: "OP_HASH160", 0xAC: "OP_CHECKSIG",
         0xAD: "OP_CHECKSIGVERIFY", 0xAE: "OP_CHECKMULTISIG", 0xB1: "OP_CHECKLOCKTIMEVERIFY",
         0xB2: "OP_CHECKSEQUENCEVERIFY", 0x74: "OP_DEPTH", 0x82: "OP_SIZE", 0xBA: "OP_CHECKSIGADD"}


def dhash(data):
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def show(digest):
    return digest[::-1].hex()


class Reader:
    def __init__(self, data):
        self.data, self.pos = data, 0

    def take(self, size):
        if self.pos + size > len(self.data):
            raise ValueError("short")
        self.pos += size
        return self.data[self.pos - size : self.pos]

    def number(self, size):
        return int.from_bytes(self.take(size), "little")

    def compact(self):
        first = self.number(1)
        return first if first < 0xFD else self.number(1 << (first - 0xFC))

    def string(self):
        return self.take(self.compact())


def parse_script(script):
    """The tuples of the first Caesure; ValueError for no script. Conditions are left out: chaingen's have none
    outside of witnesses."""
    reader, code, signed_from = Reader(script), [], 0
    while reader.pos < len(script):
        op = reader.number(1)
        if op == 0:
            code.append((0, b"", 0))
        elif op == 0x4F or 0x51 <= op <= 0x60:
            code.append((0, bytes([0x81 if op == 0x4F else op - 0x50]), 0))
        elif op < 0x4C:
            code.append((0, reader.take(op), 1))
        elif op <= 0x4E:
            code.append((0, reader.take(reader.number(1 << (op - 0x4C))), op - 0x4C + 2))
        elif op == 0xAB:
            signed_from = reader.pos
            code.append((4,))
        elif 0xAC <= op <= 0xAF:
            code.append((3, op, script[signed_from:]))
        elif op in (0x63, 0x64, 0x65, 0x66, 0x67, 0x68):
            raise ValueError("a condition")
        else:
            code.append((2, op))
    return code


def pprint_script(code):
    return [("0x" + insn[1].hex() if insn[1] else "") if insn[0] == 0
            else "OP_CODESEPARATOR" if insn[0] == 4 else NAMES[insn[1]] for insn in code]


def parsed_text(code):
    """As Python 2 shows it, whose strings have no b in front."""
    def item(x):
        return repr(x)[1:] if isinstance(x, bytes) else repr(x)
    return "[" + ", ".join("(" + ", ".join(map(item, insn)) + (",)" if len(insn) == 1 else ")") for insn in code) + "]"


def pretty(script):
    try:
        return repr(pprint_script(parse_script(script)))
    except ValueError:
        return repr(script.hex())


class Tx:
    def __init__(self, reader):
        start = reader.pos
        self.version = reader.number(4)
        stripped = struct.pack("<I", self.version)
        self.has_witness = reader.data[reader.pos] == 0
        if self.has_witness:
            reader.take(2)
        body = reader.pos
        self.inputs = [(reader.take(32), reader.number(4), reader.string(), reader.number(4))
                       for _ in range(reader.compact())]
        self.outputs = [(reader.number(8), reader.string()) for _ in range(reader.compact())]
        stripped += reader.data[body : reader.pos]
        self.witness = [[reader.string() for _ in range(reader.compact())] for _ in self.inputs] \
            if self.has_witness else []
        self.lock_time = reader.number(4)
        self.raw = reader.data[start : reader.pos]
        self.stripped = stripped + struct.pack("<I", self.lock_time)
        self.txid = dhash(self.stripped)

    def dump(self):
        lines = [f"hash: {show(self.txid)}", f"inputs: {len(self.inputs)}"]
        for i, (txid, vout, script, sequence) in enumerate(self.inputs):
            lines.append("%3d %s:%d %s %d" % (i, show(txid), vout, pretty(script), sequence))
        lines.append(f"outputs: {len(self.outputs)}")
        for i, (amount, script) in enumerate(self.outputs):
            lines.append("%3d %d.%08d %s" % (i, *divmod(amount, 10**8), pretty(script)))
        lines.append(f"lock_time: {self.lock_time}")
        if self.has_witness:
            lines.append("witness:")
            for i, items in enumerate(self.witness):
                lines.append("%3d %r" % (i, ["0x" + x.hex() if x else "" for x in items]))
        return "".join(line + "\n" for line in lines)


class Block:
    def __init__(self, raw):
        reader = Reader(raw)
        self.raw = raw
        self.version, self.prev, self.merkle, self.time, self.bits, self.nonce = \
            struct.unpack("<I32s32sIII", reader.take(80))
        self.hash = dhash(raw[:80])
        self.txs = [Tx(reader) for _ in range(reader.compact())]

    def dump(self):
        head = (f"version:{self.version}\nprev_block:<{show(self.prev)}>\nmerkle_root:<{show(self.merkle)}>\n"
                f"timestamp:{self.time}\nbits:{self.bits:08x}\nnonce:{self.nonce}\n")
        return head + "".join("tx %d {\n%s}\n" % (i, tx.dump()) for i, tx in enumerate(self.txs))


def read_file(path):
    """The blocks of a file with magics, in its order."""
    with open(path, "rb") as f:
        data = f.read()
    blocks, pos = [], 0
    while pos < len(data):
        assert data[pos : pos + 4] == MAGIC
        size = int.from_bytes(data[pos + 4 : pos + 8], "little")
        blocks.append(Block(data[pos + 8 : pos + 8 + size]))
        pos += 8 + size
    return blocks


def best_chain(blocks, tip_hex):
    """From the genesis block to the tip."""
    by_hash = {block.hash: block for block in blocks}
    chain = [by_hash[bytes.fromhex(tip_hex)[::-1]]]
    while chain[-1].prev in by_hash:
        chain.append(by_hash[chain[-1].prev])
    return chain[::-1]
