//! stub
use super::{Dialogue, http};
use crate::value::{Instant, Mac, VipApi, VipHook};
use core::net::IpAddr;
pub struct Target {
    pub ip: IpAddr,
    pub hostname: String,
    pub mac: Option<Mac>,
}
pub enum Settings {
    HCloud(VipApi),
    EquinixMetal(VipApi),
    DigitalOcean(VipApi),
    Http(VipHook),
}
pub enum Event {
    Held,
    Failed { why: String, retry_at: Instant },
    LostTo(String),
    Nobody,
    Note(String),
}
pub struct Assignment;
impl Assignment {
    pub fn new(_s: Settings, _t: Target, _now: Instant) -> Self {
        Self
    }
    pub fn acquire(&mut self, _now: Instant) {}
    pub fn resume(&mut self, _now: Instant) {}
    pub fn release(&mut self, _now: Instant) {}
}
impl Dialogue for Assignment {
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
