"""Writes reference.jsonl: random types and values with the layout, memory and core values that the Component
Model's executable specification gives them.

Run: PYTHONPATH=<component-model>/design/mvp/canonical-abi python3 reference.py > reference.jsonl
"""

import json
import random
import struct

import definitions as d

d.DETERMINISTIC_PROFILE = True
SCALARS = {
    "bool": d.BoolType, "s8": d.S8Type, "u8": d.U8Type, "s16": d.S16Type, "u16": d.U16Type, "s32": d.S32Type,
    "u32": d.U32Type, "s64": d.S64Type, "u64": d.U64Type, "f32": d.F32Type, "f64": d.F64Type, "char": d.CharType,
    "string": d.StringType,
}
START = 16  # where the blocks start when there is no area


def random_type(depth):
    """Gives (json, type)."""
    if depth <= 1 or random.random() < 0.2:
        k = random.choice(list(SCALARS))
        return {"k": k}, SCALARS[k]()
    sub = [random_type(depth - 1) for _ in range(random.randint(1, 4))]
    js, ts = [s[0] for s in sub], [s[1] for s in sub]
    for i in range(len(sub)):
        if random.random() < 0.2:
            js.append(None), ts.append(None)
    k = random.choice(["list", "record", "tuple", "variant", "enum", "option", "result", "flags"])
    if k == "list":
        return {"k": k, "m": js[:1]}, d.ListType(ts[0])
    if k == "record":
        js, ts = js[: len(sub)], ts[: len(sub)]
        return {"k": k, "m": js}, d.RecordType([d.FieldType(f"m{i}", t) for i, t in enumerate(ts)])
    if k == "tuple":
        return {"k": k, "m": js[: len(sub)]}, d.TupleType(ts[: len(sub)])
    if k == "variant":
        return {"k": k, "m": js}, d.VariantType([d.CaseType(f"m{i}", t) for i, t in enumerate(ts)])
    if k == "option":
        return {"k": k, "m": js[:1]}, d.OptionType(ts[0])
    if k == "result":
        js, ts = [*js, None, None][-2:], [*ts, None, None][-2:]
        return {"k": k, "m": js}, d.ResultType(*ts)
    n = random.choice([1, 2, 8, 9, 16, 17, 31, 32] + ([256, 257, 300] if k == "enum" else []))
    names = [f"m{i}" for i in range(n)]
    return {"k": k, "n": n}, d.EnumType(names) if k == "enum" else d.FlagsType(names)


def bits(b=0, s=b"", e=()):
    """Gives the JSON of a canon.Value; integers are decimal text since JSON numbers are not 64 bits wide."""
    v = {}
    if b:
        v["b"] = str(b % (1 << 64))
    if s:
        v["s"] = s.hex()
    if e:
        v["e"] = list(e)
    return v


def random_value(t):
    """Gives (json, value)."""
    match t:
        case d.BoolType():
            v = random.random() < 0.5
            return bits(int(v)), v
        case d.F32Type():
            v = struct.unpack("<f", random.randbytes(4))[0]
            return bits(d.encode_float_as_i32(v)), v
        case d.F64Type():
            v = struct.unpack("<d", random.randbytes(8))[0]
            return bits(d.encode_float_as_i64(v)), v
        case d.CharType():
            v = random.choice("\0Aé\ud7ff\ue000日\U0010ffff")
            return bits(ord(v)), v
        case d.StringType():
            v = random.choice(["a", "grün", "\0", "日本", "\U0010ffff", "x" * 40])
            return bits(s=v.encode()), (v, "utf8", len(v.encode()))
        case d.ListType():
            sub = [random_value(t.t) for _ in range(random.randint(1, 3))]
            vs = [v for _, v in sub]
            if isinstance(t.t, d.U8Type):
                return bits(s=bytes(vs)), vs
            return bits(e=[j for j, _ in sub]), vs
        case d.FlagsType():
            v = {name: random.random() < 0.5 for name in t.labels}
            n = d.pack_flags_into_int(v, t.labels)
            return bits(s=n.to_bytes((len(v) + 7) // 8, "little")), v
        case d.PrimValType():
            size, signed = d.elem_size(t, "i32"), type(t).__name__.startswith("S")
            v = int.from_bytes(random.randbytes(size), "little", signed=signed)
            return bits(v), v
    t = d.despecialize(t)
    if isinstance(t, d.RecordType):
        sub = [random_value(f.t) for f in t.fields]
        return bits(e=[j for j, _ in sub]), {f.label: v for f, (_, v) in zip(t.fields, sub)}
    i = random.randrange(len(t.cases))
    c = t.cases[i]
    if c.t is None:
        return bits(i), {c.label: None}
    j, v = random_value(c.t)
    return bits(i, e=[j]), {c.label: v}


class Context(d.LiftLowerContext):
    """A guest that allocates one block after the other."""

    def __init__(self, start):
        self.next = start
        opts = d.CanonicalOptions()
        opts.memory, opts.string_encoding = d.MemInst(bytearray(1 << 16), "i32"), "utf8"
        super().__init__(opts, None)

    def reallocate(self, old, old_size, align, size):
        ptr = d.align_to(self.next, align)
        self.next = ptr + size
        return ptr

    def allocate(self, align, size):
        return self.reallocate(0, 0, align, size)

    def used(self):
        return bytes(self.opts.memory[0 : self.next]).hex()


def slot(core, v):
    """Gives a core value's bits."""
    if core == "f32":
        v = d.encode_float_as_i32(v)
    elif core == "f64":
        v = d.encode_float_as_i64(v)
    return str(v)


def main():
    random.seed(20260821)
    for i in range(400):
        jt, t = random_type(1 + i % 4)
        jv, v = random_value(t)
        size = d.elem_size(t, "i32")
        area = Context(size)
        d.store(area, v, t, 0)
        line = {"t": jt, "size": size, "align": d.alignment(t, "i32"), "v": jv, "mem": area.used()}
        flat = Context(START)
        line["flat"] = d.flatten_type(t, flat.opts)
        line["slots"] = [slot(core, x) for core, x in zip(line["flat"], d.lower_flat(flat, v, t))]
        line["blocks"] = flat.used()
        print(json.dumps(line, separators=(",", ":")))


main()
