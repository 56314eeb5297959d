//! Answers HTTP requests in every way that wasi:http knows, the bad ones too.

wit_bindgen::generate!({
    inline: "package test:wasihttp; world app { include wasi:http/proxy@0.2.12; import wasi:cli/environment@0.2.12; }",
    path: [
        "../../../wit/deps/io",
        "../../../wit/deps/clocks",
        "../../../wit/deps/random",
        "../../../wit/deps/filesystem",
        "../../../wit/deps/sockets",
        "../../../wit/deps/cli",
        "../../../wit/deps/http",
    ],
    world: "test:wasihttp/app",
    generate_all
});

use exports::wasi::http::incoming_handler::Guest;
use std::sync::atomic::{AtomicU32, Ordering};
use wasi::cli::{environment, stderr};
use wasi::clocks::monotonic_clock;
use wasi::http::{outgoing_handler, types::*};
use wasi::io::poll;
use wasi::io::streams::{InputStream, OutputStream, StreamError};

struct App;

static CALLS: AtomicU32 = AtomicU32::new(0);

const MILLISECOND: u64 = 1_000_000;

impl Guest for App {
    fn handle(req: IncomingRequest, out: ResponseOutparam) {
        let path = req.path_with_query().unwrap_or_default();
        let (path, query) = path.split_once('?').unwrap_or((&path, ""));
        match path.rsplit('/').next().unwrap_or("") {
            "echo" => echo(req, out),
            "env" => answer(out, 200, &format!("{:?} {:?}", environment::get_arguments(), environment::get_environment())),
            "count" => answer(out, 200, &CALLS.fetch_add(1, Ordering::Relaxed).to_string()),
            "request" => answer(out, 200, &describe(&req)),
            "ticks" => ticks(out),
            "silent" => sleep(u64::MAX / 4),
            "none" => {}
            "refuse" => ResponseOutparam::set(out, Err(ErrorCode::InternalError(Some("refused on purpose".into())))),
            "trap-before" => panic!("before the header"),
            "trap-after" => {
                let (body, stream) = begin(out, 200, Fields::new());
                stream.blocking_write_and_flush(b"a part").unwrap();
                received(req);
                std::mem::forget((body, stream));
                std::process::abort()
            }
            "trap-end" => {
                answer(out, 200, "whole");
                std::process::abort()
            }
            "unfinished" => {
                let (body, stream) = begin(out, 200, Fields::new());
                stream.blocking_write_and_flush(b"a part").unwrap();
                received(req);
                drop(stream);
                drop(body);
            }
            "length" => length(req, out),
            "fields" => answer(out, 200, &fields()),
            "proxy" => proxy(req, out, query),
            "leak" => leak(out),
            "grow" => {
                let kept: Vec<Vec<u8>> = (0..64).map(|i| vec![i as u8; 1 << 20]).collect();
                answer(out, 200, &kept.len().to_string())
            }
            "spin" => loop {
                CALLS.fetch_add(1, Ordering::Relaxed);
            },
            _ => answer(out, 404, "no such path"),
        }
    }
}

/// Sets the response and gives its body.
fn begin(out: ResponseOutparam, status: u16, fields: Fields) -> (OutgoingBody, OutputStream) {
    let r = OutgoingResponse::new(fields);
    r.set_status_code(status).unwrap();
    let body = r.body().unwrap();
    ResponseOutparam::set(out, Ok(r));
    let stream = body.write().unwrap();
    (body, stream)
}

fn answer(out: ResponseOutparam, status: u16, text: &str) {
    let fields = Fields::new();
    fields.append("content-type", b"text/plain").unwrap();
    let (body, stream) = begin(out, status, fields);
    for part in text.as_bytes().chunks(4096) {
        stream.blocking_write_and_flush(part).unwrap();
    }
    drop(stream);
    OutgoingBody::finish(body, None).unwrap();
}

fn say(text: &str) {
    let _ = stderr::get_stderr().blocking_write_and_flush(text.as_bytes());
}

fn sleep(ns: u64) {
    monotonic_clock::subscribe_duration(ns).block();
}

/// Waits for the end of the request's body, which the client ends when it has what was written so far.
fn received(req: IncomingRequest) {
    let body = req.consume().unwrap();
    let from = body.stream().unwrap();
    while from.blocking_read(4096).is_ok() {}
}

/// The status of x-status, the fields that begin with x-, the body as it comes, and the trailers.
fn echo(req: IncomingRequest, out: ResponseOutparam) {
    let mut status = 200;
    let fields = Fields::new();
    for (name, value) in req.headers().entries() {
        if name == "x-status" {
            status = String::from_utf8_lossy(&value).parse().unwrap();
        } else if name.starts_with("x-") || name == "trailer" {
            fields.append(&name, &value).unwrap();
        }
    }
    let body = req.consume().unwrap();
    let (out_body, to) = begin(out, status, fields);
    let from = body.stream().unwrap();
    if let Err(e) = pump(&from, &to, None) {
        say(&format!("echo: {e}"));
        return;
    }
    drop(from);
    drop(to);
    let future = IncomingBody::finish(body);
    future.subscribe().block();
    let trailers = future.get().unwrap().unwrap().unwrap();
    OutgoingBody::finish(out_body, trailers.map(|t| t.clone())).unwrap();
}

/// Moves a stream to its end, and an upload at the same time, which is finished when it is at its own.
fn pump(from: &InputStream, to: &OutputStream, mut upload: Option<Upload>) -> Result<(), String> {
    let mut open = true;
    while open || upload.is_some() {
        let mut waits = Vec::new();
        if open {
            match step(from, to)? {
                Some(wait) => waits.push(wait),
                None => open = false,
            }
        }
        if let Some(u) = upload.take() {
            match step(&u.from, &u.to)? {
                Some(wait) => {
                    waits.push(wait);
                    upload = Some(u);
                }
                None => u.finish(),
            }
        }
        if !waits.is_empty() {
            poll::poll(&waits.iter().collect::<Vec<_>>());
        }
    }
    Ok(())
}

/// Moves what can be moved without waiting and gives what to wait for, or None at the end.
fn step(from: &InputStream, to: &OutputStream) -> Result<Option<poll::Pollable>, String> {
    loop {
        let room = to.check_write().map_err(|e| failure("write", e))?;
        if room == 0 {
            return Ok(Some(to.subscribe()));
        }
        match from.read(room.min(65536)) {
            Ok(data) if data.is_empty() => {
                to.flush().map_err(|e| failure("flush", e))?;
                return Ok(Some(from.subscribe()));
            }
            Ok(data) => to.write(&data).map_err(|e| failure("write", e))?,
            Err(StreamError::Closed) => return Ok(None),
            Err(e) => return Err(failure("read", e)),
        }
    }
}

fn failure(what: &str, e: StreamError) -> String {
    match e {
        StreamError::Closed => format!("{what}: closed"),
        StreamError::LastOperationFailed(e) => format!("{what}: {:?} {}", http_error_code(&e), e.to_debug_string()),
    }
}

fn describe(req: &IncomingRequest) -> String {
    let mut fields: Vec<_> = req.headers().entries().into_iter().map(|(n, v)| format!("{n}: {}", String::from_utf8_lossy(&v))).collect();
    fields.sort();
    format!("{:?} {:?} {:?} {:?}\n{}", req.method(), req.scheme(), req.authority(), req.path_with_query(), fields.join("\n"))
}

/// Writes for as long as there is someone who reads.
fn ticks(out: ResponseOutparam) {
    let (body, stream) = begin(out, 200, Fields::new());
    say("ticks: begun");
    loop {
        if let Err(e) = stream.blocking_write_and_flush(b"tick\n") {
            say(&format!("ticks: the client is gone: {}", failure("write", e)));
            break;
        }
        sleep(20 * MILLISECOND);
    }
    drop(stream);
    drop(body);
}

/// Declares ten bytes and writes five.
fn length(req: IncomingRequest, out: ResponseOutparam) {
    let fields = Fields::new();
    fields.append("content-length", b"10").unwrap();
    let (body, stream) = begin(out, 200, fields);
    stream.blocking_write_and_flush(b"short").unwrap();
    received(req);
    drop(stream);
    say(&format!("length: {:?}", OutgoingBody::finish(body, None)));
}

fn fields() -> String {
    let f = Fields::new();
    let mut lines = Vec::new();
    for (name, value) in [("connection", "close"), ("x y", "1"), ("ok", "a\r\nb"), ("ok", "fine")] {
        lines.push(format!("{name}: {:?}", f.append(name, value.as_bytes())));
    }
    lines.push(format!("{:?}", f.entries().len()));
    lines.join("\n")
}

/// Sends the request on to the scheme, authority and path of the query, both bodies as they come.
fn proxy(req: IncomingRequest, out: ResponseOutparam, query: &str) {
    let Some((scheme, rest)) = query.split_once("://") else { return answer(out, 400, "the query is no URL") };
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let fields = Fields::new();
    let options = RequestOptions::new();
    for (name, value) in req.headers().entries() {
        let text = String::from_utf8_lossy(&value);
        match name.as_str() {
            "x-first-byte-timeout" => options.set_first_byte_timeout(Some(text.parse::<u64>().unwrap() * MILLISECOND)).unwrap(),
            "x-between-bytes-timeout" => options.set_between_bytes_timeout(Some(text.parse::<u64>().unwrap() * MILLISECOND)).unwrap(),
            _ if name.starts_with("x-") => fields.append(&name, &value).unwrap(),
            _ => {}
        }
    }
    let onward = OutgoingRequest::new(fields);
    onward.set_method(&req.method()).unwrap();
    onward.set_scheme(Some(&if scheme == "https" { Scheme::Https } else { Scheme::Http })).unwrap();
    onward.set_authority(Some(authority)).unwrap();
    onward.set_path_with_query(Some(path)).unwrap();
    let to_body = onward.body().unwrap();
    let future = match outgoing_handler::handle(onward, Some(options)) {
        Ok(f) => f,
        Err(e) => return answer(out, 502, &format!("{e:?}")),
    };
    let body = req.consume().unwrap();
    let mut upload = Some(Upload { from: body.stream().unwrap(), to: to_body.write().unwrap(), body: to_body });
    // What the other side answers before it has the whole body goes to the client at once.
    let res = loop {
        let answered = future.subscribe();
        if let Some(r) = future.get() {
            break r.unwrap();
        }
        let Some(u) = &upload else {
            answered.block();
            continue;
        };
        match step(&u.from, &u.to) {
            Ok(Some(wait)) => drop(poll::poll(&[&answered, &wait])),
            Ok(None) => upload.take().unwrap().finish(),
            Err(_) => upload = None, // the response says why
        }
    };
    match res {
        Ok(res) => relay(res, out, upload),
        Err(e) => answer(out, 502, &format!("{e:?}")),
    }
}

/// The streams of a request that is on its way through; dropped in this order.
struct Upload {
    from: InputStream,
    to: OutputStream,
    body: OutgoingBody,
}

impl Upload {
    fn finish(self) {
        drop(self.from);
        drop(self.to);
        OutgoingBody::finish(self.body, None).unwrap();
    }
}

fn relay(res: IncomingResponse, out: ResponseOutparam, upload: Option<Upload>) {
    let fields = Fields::new();
    for (name, value) in res.headers().entries() {
        if name.starts_with("x-") || name == "content-type" || name == "trailer" {
            fields.append(&name, &value).unwrap();
        }
    }
    let from_body = res.consume().unwrap();
    let (out_body, to) = begin(out, res.status(), fields);
    let from = from_body.stream().unwrap();
    if let Err(e) = pump(&from, &to, upload) {
        say(&format!("proxy: {e}"));
        return;
    }
    drop(from);
    drop(to);
    let future = IncomingBody::finish(from_body);
    future.subscribe().block();
    let trailers = future.get().unwrap().unwrap().unwrap();
    OutgoingBody::finish(out_body, trailers.map(|t| t.clone())).unwrap();
}

/// Leaves handles and begun requests behind.
fn leak(out: ResponseOutparam) {
    for _ in 0..100 {
        std::mem::forget(Fields::new());
        std::mem::forget(monotonic_clock::subscribe_duration(u64::MAX / 4));
        let r = OutgoingRequest::new(Fields::new());
        std::mem::forget(r.body().unwrap());
        std::mem::forget(r);
    }
    answer(out, 200, "left")
}

export!(App);
