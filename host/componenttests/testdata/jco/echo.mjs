// Runs the calls of calls.json with a component that jco has transpiled, and prints each call's result as a line of JSON.
//
//	node echo.mjs FOLDER   FOLDER has calls.json, provider/ or caller/
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const folder = process.argv[2];
const spec = JSON.parse(await readFile(join(folder, "calls.json"), "utf8"));

// The host's side of what the world caller imports.
class Thing {
  #n;
  constructor(n) {
    this.#n = n;
  }
  number() {
    return this.#n;
  }
}
const identity = (x) => x;
const host = { Thing, numbers: (things) => Uint32Array.from(things, (t) => t.number()) };
spec.types.forEach((type, k) => {
  // A function whose result is a result throws its error.
  host[`e${k}`] = type.kind !== "result" ? identity : (x) => {
    if (x.tag === "err") throw Object.assign(new Error("the error"), { payload: x.val });
    return x.val;
  };
});

const module = await import(pathToFileURL(join(folder, "js", "echo.js")).href);
const compile = async (path) => WebAssembly.compile(await readFile(join(folder, "js", path)));
const instance = await module.instantiate(compile, { "test:echo/echo": host });
const functions = instance[spec.interface];
const ThingOf = spec.provider ? functions.Thing : Thing;

const buffer = new DataView(new ArrayBuffer(8));
const nullable = (type) => type.kind === "option"; // as a payload of an option, such a type has its cases tagged

// from makes JavaScript's value of a jsonValue.
function from(type, v) {
  const bits = BigInt(v.bits ?? 0);
  switch (type.kind) {
    case "bool":
      return bits === 1n;
    case "s8":
    case "s16":
    case "s32":
      return Number(BigInt.asIntN(64, bits));
    case "u8":
    case "u16":
    case "u32":
      return Number(bits);
    case "s64":
      return BigInt.asIntN(64, bits);
    case "u64":
      return bits;
    case "f32":
      buffer.setUint32(0, Number(bits));
      return buffer.getFloat32(0);
    case "f64":
      buffer.setBigUint64(0, bits);
      return buffer.getFloat64(0);
    case "char":
      return String.fromCodePoint(Number(bits));
    case "string":
      return v.str ?? "";
    case "own":
      return new ThingOf(Number(bits));
    case "list":
      if (type.elem.kind === "u8") return Uint8Array.from(v.str ?? "", (c) => c.charCodeAt(0));
      return typed(type.elem.kind, (v.elems ?? []).map((e) => from(type.elem, e)));
    case "record":
      return Object.fromEntries(type.members.map((m, k) => [m.name, from(m.type, v.elems[k])]));
    case "tuple":
      return type.members.map((m, k) => from(m.type, v.elems[k]));
    case "enum":
      return type.members[Number(bits)].name;
    case "flags":
      return Object.fromEntries(type.members.map((m, k) => [m.name, (v.str.charCodeAt(k >> 3) & (1 << (k & 7))) !== 0]));
    default:
      return caseFrom(type, Number(bits), v.elems);
  }
}

function typed(kind, list) {
  const array = {
    s8: Int8Array, u16: Uint16Array, s16: Int16Array, u32: Uint32Array, s32: Int32Array,
    u64: BigUint64Array, s64: BigInt64Array, f32: Float32Array, f64: Float64Array,
  }[kind];
  return array ? array.from(list) : list;
}

function caseFrom(type, n, elems) {
  const member = type.members[n];
  const val = member.type ? from(member.type, elems[0]) : undefined;
  if (type.kind === "option" && !nullable(type.members[1].type)) return val;
  const tag = { option: ["none", "some"], result: ["ok", "err"] }[type.kind]?.[n] ?? member.name;
  return member.type ? { tag, val } : { tag };
}

// to makes a jsonValue of JavaScript's value.
function to(type, v) {
  const elems = (list, of) => ({ bits: "0", elems: Array.from(list, (e, k) => to(of(k), e)) });
  switch (type.kind) {
    case "bool":
      return { bits: v ? "1" : "0" };
    case "s8":
    case "s16":
    case "s32":
    case "s64":
      return { bits: String(BigInt.asUintN(64, BigInt(v))) };
    case "u8":
    case "u16":
    case "u32":
    case "u64":
      return { bits: String(v) };
    case "f32":
      buffer.setFloat32(0, v);
      return { bits: String(buffer.getUint32(0)) };
    case "f64":
      buffer.setFloat64(0, v);
      return { bits: String(buffer.getBigUint64(0)) };
    case "char":
      return { bits: String(v.codePointAt(0)) };
    case "string":
      return { bits: "0", str: v };
    case "own":
      return { bits: String(v.number()) };
    case "list":
      if (type.elem.kind === "u8") return { bits: "0", str: Array.from(v, (b) => String.fromCharCode(b)).join("") };
      return elems(v, () => type.elem);
    case "record":
      return elems(type.members.map((m) => v[m.name]), (k) => type.members[k].type);
    case "tuple":
      return elems(v, (k) => type.members[k].type);
    case "enum":
      return { bits: String(type.members.findIndex((m) => m.name === v)) };
    case "flags":
      return { bits: "0", str: flagsTo(type, v) };
    default:
      return caseTo(type, v);
  }
}

function flagsTo(type, v) {
  const bytes = new Array((type.members.length + 7) >> 3).fill(0);
  type.members.forEach((m, k) => {
    if (v[m.name]) bytes[k >> 3] |= 1 << (k & 7);
  });
  return String.fromCharCode(...bytes);
}

function caseTo(type, v) {
  let n, val;
  if (type.kind === "option" && !nullable(type.members[1].type)) {
    [n, val] = [v === undefined || v === null ? 0 : 1, v];
  } else {
    n = { none: 0, some: 1, ok: 0, err: 1 }[type.kind === "option" || type.kind === "result" ? v.tag : ""];
    n ??= type.members.findIndex((m) => m.name === v.tag);
    val = v.val;
  }
  const payload = type.members[n].type;
  return { bits: String(n), elems: payload ? [to(payload, val)] : [] };
}

for (const { type: k, value } of spec.calls) {
  const type = spec.types[k];
  const fn = functions[(spec.provider ? "e" : "c") + k];
  let line;
  try {
    let result;
    try {
      result = fn(from(type, value));
      if (type.kind === "result") result = { tag: "ok", val: result };
    } catch (error) {
      if (type.kind !== "result" || !("payload" in error)) throw error;
      result = { tag: "err", val: error.payload };
    }
    line = { value: to(type, result) };
  } catch (error) {
    line = { error: String(error?.stack ?? error) };
  }
  console.log(JSON.stringify(line));
}
