//! What requests need besides the network.

use core::net::SocketAddr;

use crate::proto::tls::Trust;
use crate::run::core::Effect;
use crate::value::Duration;

/// Whom https requests believe. It is read when the first of them is made.
#[derive(Debug, Default)]
pub struct Trusted {
    trust: Option<Trust>,
    asked: bool,
    wall: Duration,
}

impl Trusted {
    /// The wall clock, since 1970.
    pub fn set_wall(&mut self, wall: Duration) {
        self.wall = wall;
    }

    /// The wall clock, since 1970.
    pub(in crate::run::core) const fn wall(&self) -> Duration {
        self.wall
    }

    /// The answer to [`Effect::ReadTrust`].
    pub fn set(&mut self, trust: Trust) {
        self.trust = Some(trust);
    }

    /// Whom to believe and the wall clock; `None`: it is being read.
    pub(in crate::run::core) fn get(
        &mut self,
        effects: &mut Vec<Effect>,
    ) -> Option<(&Trust, Duration)> {
        if !self.asked {
            self.asked = true;
            effects.push(Effect::ReadTrust);
        }
        Some((self.trust.as_ref()?, self.wall))
    }
}

/// What requests need besides the network.
#[derive(Debug)]
pub struct Means<'a> {
    /// Whom to ask for names.
    pub nameservers: &'a [SocketAddr],
    /// Whom to believe.
    pub trusted: &'a mut Trusted,
}
