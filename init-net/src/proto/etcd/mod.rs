//! stub
use super::{Dialogue, http};
use crate::value::{Duration, Instant};
pub struct Settings {
    pub endpoints: Vec<http::Url>,
    pub key: String,
    pub candidate: String,
    pub ttl: Duration,
}
#[derive(Debug)]
pub enum Why {
    X,
}
impl core::fmt::Display for Why {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("x")
    }
}
pub enum Event {
    Won,
    Lost(Why),
    Trouble(String),
    Owner(Option<String>),
}
pub struct Campaign;
impl Campaign {
    pub fn new(_s: Settings, _fit: bool, _now: Instant) -> Self {
        Self
    }
    pub fn resume(_s: Settings, _lease: i64, _now: Instant) -> Self {
        Self
    }
    pub fn set_fit(&mut self, _fit: bool, _now: Instant) {}
    pub fn abdicate(&mut self, _hold: Duration, _now: Instant) {}
    pub fn stop(&mut self, _now: Instant) {}
    pub fn is_done(&self) -> bool {
        false
    }
    pub fn owner(&self) -> Option<&str> {
        None
    }
    pub fn fault(&self) -> Option<&str> {
        None
    }
    pub fn lease(&self) -> Option<i64> {
        None
    }
    pub fn ttl(&self) -> Duration {
        Duration::ZERO
    }
}
impl Dialogue for Campaign {
    type Event = Event;
    fn request(&mut self, _now: Instant) -> Option<http::Request> {
        None
    }
    fn answer(&mut self, _a: Result<http::Response, http::FetchError>, _now: Instant) {}
    fn event(&mut self) -> Option<Event> {
        None
    }
    fn deadline(&self) -> Option<Instant> {
        None
    }
}
