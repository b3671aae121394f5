//! [`Reading`]: the document in the making, what was said so far, and the diagnostics with their effects.

use std::sync::Arc;

use super::anaconda::Anaconda;
use super::argument::{Argument, Fault};
use super::fields::Field;
use crate::config::{
    AutoMethod, Diagnostic, Document, KindConfig, LinkConfig, LinkRef, OperatorConfig, Said,
};
use crate::value::{Hostname, Layer, LinkName, Mac, Mtu, Origin};

/// State of one [`super::parse`].
pub(super) struct Reading<'a> {
    pub(super) document: Document,
    diagnostics: Vec<Diagnostic>,
    /// Diagnostics that cost their argument, by index: their effect counts what remains, known at the end.
    costly: Vec<(usize, String)>,
    /// Arguments that were understood and applied.
    applied: usize,
    /// Links that an `ip=` was said for.
    pub(super) configured: Vec<LinkRef>,
    /// The pieces of the form `ip=<address> gateway=… netmask=…`.
    pub(super) anaconda: Anaconda<'a>,
    /// Host names by rank, lowest first: `initnet.hostname=`, `hostname=`, a field of `ip=`.
    pub(super) hostnames: Vec<(u8, Said<Hostname>)>,
    /// Pieces of `initnet.config.inline=`.
    pub(super) inline: Option<Said<String>>,
    /// The platform that another tool's argument names.
    pub(super) platform_hint: Option<Said<String>>,
    /// `ip=off`, to say so when other arguments ask for a network.
    pub(super) off: Option<Argument<'a>>,
    /// `rd.bootif=0`.
    pub(super) ignore_bootif: bool,
    /// `root=` and `initnet.root=` may stand in either order.
    pub(super) own_root: bool,
}

impl<'a> Reading<'a> {
    pub(super) fn new() -> Self {
        Self {
            document: Document::empty(Layer::Cmdline, Arc::from("cmdline")),
            diagnostics: Vec::new(),
            costly: Vec::new(),
            applied: 0,
            configured: Vec::new(),
            anaconda: Anaconda::default(),
            hostnames: Vec::new(),
            inline: None,
            platform_hint: None,
            off: None,
            ignore_bootif: false,
            own_root: false,
        }
    }

    /// Counts an argument, or keeps the fault that costs it.
    pub(super) fn settle(&mut self, argument: &Argument<'a>, result: Result<(), Fault>) {
        match result {
            Ok(()) => self.applied += 1,
            Err(fault) => {
                if fault.effect.is_none() {
                    self.costly
                        .push((self.diagnostics.len(), argument.shown_key()));
                }
                self.diagnostics.push(*fault);
            }
        }
    }

    /// Takes back an argument that was counted before it was known to be faulty.
    pub(super) fn unsettle(&mut self, argument: &Argument<'a>, fault: Fault) {
        self.applied = self.applied.saturating_sub(1);
        self.settle(argument, Err(fault));
    }

    /// Keeps a diagnostic that costs no more than `effect` says.
    pub(super) fn report(&mut self, mut fault: Fault, effect: impl Into<String>) {
        fault.effect = Some(effect.into());
        self.said(Some(fault));
    }

    /// Keeps what [`set`] found.
    pub(super) fn said(&mut self, fault: Option<Fault>) {
        self.diagnostics.extend(fault.map(|fault| *fault));
    }

    /// The link configuration of `link`, made when it is not there yet.
    fn link(&mut self, link: &LinkRef, origin: &Origin) -> &mut LinkConfig {
        let links = &mut self.document.links;
        let at = links
            .iter()
            .position(|known| known.link == *link)
            .unwrap_or(links.len());
        if at == links.len() {
            links.push(LinkConfig::new(link.clone(), origin.clone()));
        }
        &mut links[at]
    }

    /// `link` is to be up, with what is said of it beside.
    pub(super) fn bring_up(
        &mut self,
        link: &LinkRef,
        mtu: Option<Mtu>,
        mac: Option<Mac>,
        origin: &Origin,
    ) {
        if *link == LinkRef::EveryPhysical && mtu.is_none() && mac.is_none() {
            return;
        }
        let config = self.link(link, origin);
        config.up = Some(true);
        config.mtu = mtu.or(config.mtu);
        config.mac = mac.or(config.mac);
    }

    /// A virtual link. The same said twice is one; two kinds under one name are a fault.
    pub(super) fn create(
        &mut self,
        argument: &Argument<'a>,
        (name, field): (LinkName, Field<'a>),
        kind: KindConfig,
        mtu: Option<Mtu>,
    ) -> Result<(), Fault> {
        let link = LinkRef::Name(name);
        let origin = argument.origin();
        let config = self.link(&link, &origin);
        match &config.kind {
            Some(known) if *known != kind => {
                let message = format!(
                    "{} was already made by {}",
                    field.text,
                    short(&config.origin)
                );
                return Err(argument.error(field, message, "give it another name"));
            }
            _ => {}
        }
        config.up = Some(true);
        config.kind = Some(kind);
        config.mtu = mtu.or(config.mtu);
        config.origin = origin;
        Ok(())
    }

    /// Runs `method` on `link`, once.
    pub(super) fn operate(
        &mut self,
        link: &LinkRef,
        method: AutoMethod,
        client_id: Option<&Vec<u8>>,
        origin: &Origin,
    ) {
        let operators = &mut self.document.operators;
        if operators
            .iter()
            .any(|known| known.link == *link && known.method == method)
        {
            return;
        }
        let mut operator = OperatorConfig::new(link.clone(), method, origin.clone());
        if matches!(method, AutoMethod::Dhcp4 | AutoMethod::SingleDhcp4) {
            operator.client_id = client_id.cloned();
        }
        operators.push(operator);
    }

    /// The document, and the diagnostics with their effects filled in.
    pub(super) fn finish(mut self) -> (Document, Vec<Diagnostic>) {
        let others = match self.applied {
            0 => String::new(),
            1 => "; the other argument still applies".to_owned(),
            n => format!("; the other {n} arguments still apply"),
        };
        for (at, key) in &self.costly {
            if let Some(diagnostic) = self.diagnostics.get_mut(*at) {
                diagnostic.effect = Some(format!("this {key}= is ignored{others}"));
            }
        }
        (self.document, self.diagnostics)
    }
}

/// `argument 3` of `argument 3: ip=…`.
fn short(origin: &Origin) -> &str {
    origin.place.split(':').next().unwrap_or_default()
}

/// Sets a value that can be said once; the last one counts, and a second one is reported.
pub(super) fn set<T: PartialEq>(
    slot: &mut Option<Said<T>>,
    value: T,
    argument: &Argument<'_>,
) -> Option<Fault> {
    let earlier = slot.replace(Said::new(value, argument.origin()))?;
    if slot.as_ref().is_some_and(|new| new.value == earlier.value) {
        return None;
    }
    let message = format!("said twice, first in {}", short(&earlier.origin));
    let mut fault = argument.warning(argument.word.key, message, "say it once");
    fault.effect = Some("the last one counts".to_owned());
    Some(fault)
}
