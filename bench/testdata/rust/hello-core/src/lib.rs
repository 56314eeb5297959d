//! Answers every request with the same bytes, through the host's own interface. Built as a core module and as a component.
wit_bindgen::generate!({
    inline: "package bench:hello; world hello { export mrt:http/handler@0.1.0; }",
    path: "../../../../wit/http",
    world: "bench:hello/hello",
    generate_all,
});

use exports::mrt::http::handler::{Guest, Request, Response};
use mrt::http::types::Header;

struct Hello;

impl Guest for Hello {
    fn handle(_: Request) -> Response {
        let header = Header { name: "content-type".into(), value: "text/plain; charset=utf-8".into() };
        Response { status: 200, headers: vec![header], body: b"hello, world\n".to_vec() }
    }
}

export!(Hello);
