//! Provides acme:pricing/quotes. Built with --features dear everything costs twice as much.
wit_bindgen::generate!({ path: "../wit", world: "acme:pricing/provider", generate_all });

use exports::acme::pricing::quotes::{Basket, BasketBorrow, Guest, GuestBasket, Line, Quote, Refusal};
use std::cell::RefCell;

struct Prices;

struct Contents {
    customer: String,
    lines: RefCell<Vec<Line>>,
}

fn price(article: &str) -> Option<f64> {
    let p = match article {
        "apple" => 0.25,
        "pear" => 0.5,
        "Ölkännchen" => 12.75,
        _ => return None,
    };
    Some(if cfg!(feature = "dear") { p * 2.0 } else { p })
}

impl Guest for Prices {
    type Basket = Contents;

    fn price(article: String) -> Option<f64> {
        price(&article)
    }

    fn lines(baskets: Vec<BasketBorrow<'_>>) -> u32 {
        baskets.iter().map(|b| b.get::<Contents>().lines.borrow().len() as u32).sum()
    }
}

impl GuestBasket for Contents {
    fn new(customer: String) -> Self {
        Contents { customer, lines: RefCell::default() }
    }

    fn add(&self, line: Line) -> u32 {
        let mut lines = self.lines.borrow_mut();
        lines.push(line);
        lines.len() as u32
    }

    fn quote(&self) -> Result<Quote, Refusal> {
        let lines = self.lines.borrow();
        if lines.is_empty() {
            return Err(Refusal::Empty);
        }
        let unknown: Vec<String> = lines.iter().filter(|l| price(&l.article).is_none()).map(|l| l.article.clone()).collect();
        if !unknown.is_empty() {
            return Err(Refusal::UnknownArticles(unknown));
        }
        let priced: Vec<_> = lines.iter().map(|l| (l.clone(), price(&l.article).unwrap() * f64::from(l.count))).collect();
        let tags: Vec<&str> = lines.iter().flat_map(|l| l.tags.iter()).map(String::as_str).collect();
        Ok(Quote {
            customer: self.customer.clone(),
            total: priced.iter().map(|p| p.1).sum(),
            lines: priced,
            note: if tags.is_empty() { None } else { Some(tags.join("+")) },
        })
    }

    fn merge(baskets: Vec<Basket>) -> Basket {
        let all = Contents::new(String::new());
        let mut customers = Vec::new();
        for basket in baskets {
            let b: Contents = basket.into_inner();
            customers.push(b.customer);
            all.lines.borrow_mut().extend(b.lines.take());
        }
        Basket::new(Contents { customer: customers.join(" and "), ..all })
    }
}

export!(Prices);
