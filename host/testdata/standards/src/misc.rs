//! wasi:config under its three versions, wasi:logging with and without version.
wit_bindgen::generate!({
    path: ["../../../wit/http", "../../../wit/deps/config", "wit/config1", "wit/config2", "../../../wit/deps/logging", "wit/logging0",
        "wit/misc"],
    world: "test:misc/misc",
    generate_all
});
use wasi::{
    config0_2_0_draft::store as draft, config0_2_0_draft_2024_09_27::store as dated, config0_2_0_rc_1::store as rc,
    logging0_1_0_draft::logging as versioned, logging::logging as unversioned,
};

fn run(_: &str, _: &str, _: Vec<u8>) -> Vec<String> {
    versioned::log(versioned::Level::Critical, "tests", "with version");
    unversioned::log(unversioned::Level::Warn, "", "without version");
    vec![
        format!("draft {:?} {:?}", draft::get("colour"), draft::get("none")),
        format!("dated {:?}", dated::get("LEVEL")),
        format!("rc {:?}", rc::get("colour")),
        format!("all {:?}", rc::get_all()),
    ]
}

serve!(run);
