//! Answers HTTP requests with what another component says of prices.
//!
//! GET /price/ARTICLE gives a price. POST /quote has baskets in its body, one a line: CUSTOMER: ARTICLE COUNT TAG..., ...
wit_bindgen::generate!({ path: "../wit", world: "acme:pricing/consumer", generate_all });

use acme::pricing::quotes::{self, Basket, Line, Refusal};
use exports::mrt::http::handler::{Guest, Request, Response};

struct Shop;

impl Guest for Shop {
    fn handle(r: Request) -> Response {
        let (status, text) = if let Some((_, article)) = r.path.split_once("/price/") {
            match quotes::price(article) {
                Some(p) => (200, format!("{article}: {p:.2}\n")),
                None => (404, format!("{article} has no price\n")),
            }
        } else {
            quote(&String::from_utf8_lossy(&r.body))
        };
        Response { status, headers: vec![], body: text.into_bytes() }
    }
}

fn quote(body: &str) -> (u16, String) {
    let baskets: Vec<Basket> = body.lines().map(basket).collect();
    let borrowed: Vec<&Basket> = baskets.iter().collect();
    let mut text = format!("lines: {}\n", quotes::lines(&borrowed));
    match Basket::merge(baskets).quote() {
        Ok(q) => {
            for (line, cost) in q.lines {
                text += &format!("{} x {} {:?}: {cost:.2}\n", line.count, line.article, line.tags);
            }
            text += &format!("{}: {:.2} {:?}\n", q.customer, q.total, q.note);
            (200, text)
        }
        Err(Refusal::Empty) => (400, text + "nothing to quote\n"),
        Err(Refusal::UnknownArticles(names)) => (404, format!("{text}unknown: {}\n", names.join(", "))),
    }
}

fn basket(text: &str) -> Basket {
    let (customer, lines) = text.split_once(": ").unwrap_or((text, ""));
    let basket = Basket::new(customer);
    for (k, line) in lines.split(", ").filter(|l| !l.is_empty()).enumerate() {
        let mut words = line.split(' ').map(String::from);
        let article = words.next().unwrap_or_default();
        let count = words.next().and_then(|n| n.parse().ok()).unwrap_or(1);
        let n = basket.add(&Line { article, count, tags: words.collect() });
        assert_eq!(n as usize, k + 1);
    }
    basket
}

export!(Shop);
