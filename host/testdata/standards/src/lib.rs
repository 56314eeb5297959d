//! Components for the tests of the standard interfaces: each runs through what an interface has, and answers an HTTP
//! request with what it saw, a line for each step. README.md says how they are built.

/// Makes an app of a function that gives the answer to a request by its method and path.
#[allow(unused_macros)]
macro_rules! serve {
    ($run:path) => {
        struct App;
        impl exports::mrt::http::handler::Guest for App {
            fn handle(r: exports::mrt::http::handler::Request) -> exports::mrt::http::handler::Response {
                let body = $run(&r.method, &r.path, r.body).join("\n").into_bytes();
                exports::mrt::http::handler::Response { status: 200, headers: vec![], body }
            }
        }
        export!(App);
    };
}

#[cfg(feature = "blobstore")]
mod blobstore;
#[cfg(feature = "kvdraft")]
mod kvdraft;
#[cfg(feature = "kvdraft2")]
mod kvdraft2;
#[cfg(feature = "kvspin")]
mod kvspin;
#[cfg(feature = "kvwatch")]
mod kvwatch;
#[cfg(feature = "messaging")]
mod messaging;
#[cfg(feature = "misc")]
mod misc;

/// Bytes as text, for what is told.
#[allow(dead_code)]
fn text(b: &[u8]) -> String {
    String::from_utf8_lossy(b).into_owned()
}
