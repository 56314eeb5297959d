//! Answers every request with the same bytes, through wasi:http. Its standard library asks for the rest of WASI too.
wit_bindgen::generate!({
    inline: "package bench:hello; world hello { include wasi:http/proxy@0.2.12; }",
    path: ["../../../../wit/deps/io", "../../../../wit/deps/clocks", "../../../../wit/deps/random", "../../../../wit/deps/filesystem", "../../../../wit/deps/sockets", "../../../../wit/deps/cli", "../../../../wit/deps/http"],
    world: "bench:hello/hello",
    generate_all,
});

use exports::wasi::http::incoming_handler::Guest;
use wasi::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

struct Hello;

impl Guest for Hello {
    fn handle(_: IncomingRequest, out: ResponseOutparam) {
        let headers = Fields::new();
        headers.append("content-type", b"text/plain; charset=utf-8").unwrap();
        let response = OutgoingResponse::new(headers);
        let body = response.body().unwrap();
        ResponseOutparam::set(out, Ok(response));
        let stream = body.write().unwrap();
        stream.blocking_write_and_flush(b"hello, world\n").unwrap();
        drop(stream);
        OutgoingBody::finish(body, None).unwrap();
        if std::env::args().count() > 99 {
            println!("the standard library is linked");
        }
    }
}

export!(Hello);
