//! Actors in Rust: what they count lives in memory and in the state, and they print, which makes the standard library
//! keep handles of its output.

use std::cell::RefCell;
use std::fs::File;

wit_bindgen::generate!({ path: ["../../../wit/actor", "wit"], world: "test:actor/guest", generate_all });

use exports::mrt::actor::actor::{ActorId, Failure, Guest, Payload};
use mrt::actor::reminders::{FailurePolicy, Reminder};
use mrt::actor::timers::Timer;
use mrt::actor::{client, context, reminders, state, timers};

/// What an actor remembers from turn to turn.
#[derive(Default)]
struct Memory {
    count: u64,
    fired: Vec<String>,
    file: Option<File>,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

struct App;

impl Guest for App {
    fn activate(id: ActorId) -> Result<(), String> {
        println!("activate {}/{}", id.actor_type, id.id);
        let count = number(stored("count")?);
        let times = number(stored("activations")?) + 1;
        state::set("activations", times.to_string().as_bytes(), None).map_err(text)?;
        MEMORY.with_borrow_mut(|m| m.count = count);
        Ok(())
    }

    fn deactivate() -> Result<(), String> {
        eprintln!("deactivate");
        state::set("deactivated", b"yes", None).map_err(text)
    }

    fn invoke(method: String, input: Payload) -> Result<Payload, Failure> {
        let input = String::from_utf8_lossy(&input.data).into_owned();
        println!("turn {method}");
        let out = run(&method, &input)?;
        Ok(Payload { content_type: "text/plain".into(), data: out.into_bytes() })
    }

    fn timer(name: String, callback: String, _data: Vec<u8>) -> Result<(), Failure> {
        fired(format!("timer {name} {callback}"))
    }

    fn reminder(name: String, data: Vec<u8>, _due_time: String, _period: String) -> Result<(), Failure> {
        fired(format!("reminder {name} {}", String::from_utf8_lossy(&data)))
    }
}

/// Does one method and gives what the actor counts, unless the method has another answer.
fn run(method: &str, input: &str) -> Result<String, Failure> {
    match method {
        "add" => add(input)?,
        "fail" => {
            add(input)?;
            return Err(Failure::Failed("on purpose".into()));
        }
        "trap" => {
            add(input)?;
            panic!("on purpose");
        }
        "get" => {}
        "fired" => return Ok(MEMORY.with_borrow(|m| m.fired.join(", "))),
        "state" => return stored(input).map_err(Failure::Failed),
        "self" => return Ok(context::self_().map(|id| format!("{}/{}", id.actor_type, id.id)).unwrap_or_default()),
        "open" => {
            let file = File::create(input).map_err(|e| Failure::Failed(e.to_string()))?;
            MEMORY.with_borrow_mut(|m| m.file = Some(file));
        }
        "close" => MEMORY.with_borrow_mut(|m| m.file = None),
        "read" => return std::fs::read_to_string(input).map_err(|e| Failure::Failed(e.to_string())),
        "back" => return back(),
        "timer" => timers::register(&Timer {
            name: "tick".into(),
            callback: "ticked".into(),
            data: Vec::new(),
            due_time: input.into(),
            period: String::new(),
            ttl: String::new(),
        })
        .map_err(failed)?,
        "remind" => reminders::register(&Reminder {
            name: "later".into(),
            data: b"hello".to_vec(),
            due_time: input.into(),
            period: String::new(),
            ttl: String::new(),
            repeats: 0,
            overwrite: true,
            failure_policy: FailurePolicy::Standard,
        })
        .map_err(failed)?,
        other => return Err(Failure::UnknownMethod(format!("there is no method {other}"))),
    }
    Ok(MEMORY.with_borrow(|m| m.count.to_string()))
}

/// Counts in memory and in the state.
fn add(input: &str) -> Result<(), Failure> {
    let count = MEMORY.with_borrow_mut(|m| {
        m.count += number(input.into());
        m.count
    });
    state::set("count", count.to_string().as_bytes(), None).map_err(failed)
}

/// Calls this actor while it is in a turn.
fn back() -> Result<String, Failure> {
    let id = context::self_().ok_or_else(|| Failure::Failed("not in a turn".into()))?;
    let none = mrt::actor::types::Payload { content_type: String::new(), data: Vec::new() };
    let out = client::invoke(&id, "get", &none).map_err(failed)?;
    Ok(String::from_utf8_lossy(&out.data).into_owned())
}

fn fired(what: String) -> Result<(), Failure> {
    println!("{what}");
    MEMORY.with_borrow_mut(|m| m.fired.push(what));
    Ok(())
}

fn stored(key: &str) -> Result<String, String> {
    let value = state::get(key).map_err(text)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&value).into_owned())
}

fn number(text: String) -> u64 {
    text.parse().unwrap_or_default()
}

fn text(e: mrt::actor::types::Error) -> String {
    format!("{e:?}")
}

fn failed(e: mrt::actor::types::Error) -> Failure {
    Failure::Failed(text(e))
}

export!(App);
