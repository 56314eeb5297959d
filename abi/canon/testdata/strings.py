"""Writes strings.jsonl: strings in every encoding as the Component Model's executable specification copies them into
guests of every encoding, with what it asks the guest's realloc for.

Run: PYTHONPATH=<component-model>/design/mvp/canonical-abi python3 strings.py > strings.jsonl
"""

import json

import definitions as d

ENCODINGS = ["utf8", "utf16", "latin1+utf16"]
TAG = 1 << 31
START = 8
TEXTS = [
    "", "a", "plain ASCII text of more than eight", "\0", "é", "aé", "éa", "grün", "ÿ", "Ā", "aĀ", "ÿĀ", "Āÿ",
    "abcdefgh\u0080", "\u07ff", "\u0800", "日本", "latin1 ünd 日本", "☃☺️öツ", "hö☃🍰", "\U0010ffff", "a\U00010000b", "\ud7ff\ue000\uffff",
    "x" * 40 + "ü", "ü" * 40, "ü" * 40 + "☃", "🍰" * 20, "a🍰" * 9, "xxxxxxxxÿÿÿÿ" * 3 + "€",
]


class Context(d.LiftLowerContext):
    """A guest that allocates one block after the other and moves a block that is resized."""

    def __init__(self, encoding):
        self.next, self.log = START, []
        opts = d.CanonicalOptions()
        opts.memory, opts.string_encoding = d.MemInst(bytearray(1 << 12), "i32"), encoding
        super().__init__(opts, None)

    def reallocate(self, old, old_size, align, size):
        self.log.append(f"{old_size},{align},{size}")
        ptr = d.align_to(self.next, align)
        self.next = ptr + size
        mem = self.opts.memory.bytes
        n = min(old_size, size)
        mem[ptr : ptr + n] = mem[old : old + n]
        return ptr

    def allocate(self, align, size):
        return self.reallocate(0, 0, align, size)


def sources(s):
    """Gives (encoding, bytes, tagged code units) for each way to encode s."""
    b8, b16 = s.encode("utf-8"), s.encode("utf-16-le")
    yield "utf8", b8, len(b8)
    yield "utf16", b16, len(b16) // 2
    yield "latin1+utf16", b16, len(b16) // 2 | TAG
    if all(ord(c) < 256 for c in s):
        yield "latin1+utf16", s.encode("latin-1"), len(s)


def main():
    for s in TEXTS:
        for name, b, n in sources(s):
            for to in ENCODINGS:
                cx = Context(to)
                ptr, units = d.store_string_into_range(cx, (s, name, n))
                wide = to == "utf16" or to == "latin1+utf16" and units & TAG
                size = (units & ~TAG) * (2 if wide else 1)
                line = {
                    "text": s.encode().hex(), "from": ENCODINGS.index(name), "src": b.hex(), "n": n, "to": ENCODINGS.index(to),
                    "log": cx.log, "dst": bytes(cx.opts.memory[ptr : ptr + size]).hex(), "units": units,
                }
                print(json.dumps(line, separators=(",", ":")))


main()
