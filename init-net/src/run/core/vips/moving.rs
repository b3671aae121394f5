//! Who moves a shared address in the network around: the API of a cloud, or a hook.

use super::instance::{Duty, Instance, News};
use super::place::Place;
use super::talk::Talk;
use crate::proto::Dialogue as _;
use crate::proto::assign::{self, Assignment};
use crate::proto::tls::Trust;
use crate::run::core::fetches::Wires;
use crate::state::VipSpec;
use crate::value::{Instant, Rng};

impl Instance {
    pub(super) fn turn_provider(
        &mut self,
        now: Instant,
        rng: &mut Rng,
        wires: &mut Wires<'_>,
        news: &mut Vec<News>,
    ) {
        let Some(provider) = &mut self.provider else {
            return;
        };
        provider.turn(now, rng, wires);
        while let Some(event) = self.provider.as_mut().and_then(|it| it.dialogue.event()) {
            match event {
                assign::Event::Held => match self.duty {
                    Duty::Acquiring => self.hold(now, wires.effects, news),
                    Duty::Held { .. } | Duty::Without => {}
                },
                assign::Event::Failed { why, retry_at } => {
                    news.push(News::Notice(log::Level::Warn, why.clone()));
                    self.give_up(why, retry_at, now);
                }
                assign::Event::LostTo(why) => {
                    news.push(News::Notice(log::Level::Warn, why.clone()));
                    self.give_up(why, now, now);
                }
                assign::Event::Nobody => {
                    let text = "nobody has the address any more: it is acquired again".to_owned();
                    news.push(News::Notice(log::Level::Warn, text));
                }
                assign::Event::Note(text) => news.push(News::Notice(log::Level::Info, text)),
            }
        }
    }
}

/// Who moves the address in the network around. `Err`: it cannot be asked, and why.
pub(super) fn provider(
    spec: &VipSpec,
    place: &Place,
    hostname: &str,
    now: Instant,
) -> Result<Option<Talk<Assignment>>, String> {
    let target = assign::Target {
        ip: spec.ip,
        hostname: hostname.to_owned(),
        mac: place.mac,
    };
    let trust = spec.provider.ca().map(Trust::only).transpose();
    let trust = trust.map_err(|error| format!("{}: {error}", spec.provider.name()))?;
    let assignment = Assignment::new(&spec.provider, target, now);
    Ok(assignment.map(|assignment| Talk::new(assignment, trust)))
}
