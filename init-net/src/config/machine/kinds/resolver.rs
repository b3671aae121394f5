//! `ResolverConfig`.

use core::net::IpAddr;

use super::{Kind, Role};
use crate::config::machine::record::{At, Items as _, Quiet, Record as _};
use crate::config::machine::scalar::Names;
use crate::config::machine::source::Source;
use crate::config::{Document, Said};
use crate::value::{Hostname, NameServer};

keys! {
    /// Name servers and search domains.
    pub struct ResolverKeys("ResolverConfig") {
        /// The name servers, the first one asked first.
        "nameservers" nameservers: Vec<NameserverKeys>,
        /// Where names without a dot are looked for.
        "searchDomains" search_domains: SearchKeys,
        /// A name server on the machine itself.
        "hostDNS" host_dns: Quiet<HostDnsKeys>,
    }
}

keys! {
    /// One name server.
    pub struct NameserverKeys("nameserver") whole {
        /// Its address.
        required "address" address: IpAddr,
        /// How it is asked; Do53 unless said otherwise.
        "protocol" protocol: Protocol,
        /// The name in its certificate, for DoT and DoH.
        "tlsServerName" tls_server_name: String,
    }
}

keys! {
    /// Search domains.
    pub struct SearchKeys("searchDomains") {
        /// The domains, in order; an empty list takes away those of other sources.
        "domains" domains: Vec<At<Hostname>>,
        /// Whether the machine's own domain is not searched.
        "disableDefault" disable_default: bool,
    }
}

keys! {
    /// A name server on the machine itself.
    pub struct HostDnsKeys("hostDNS") {
        /// Whether it runs.
        "enabled" enabled: bool,
        /// Whether the cluster's names are asked of it.
        "forwardKubeDNSToHost" forward: bool,
        /// Whether it knows the members of the cluster.
        "resolveMemberNames" resolve_members: bool,
    }
}

/// How a name server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Plain, port 53.
    Plain,
    /// Over TLS (RFC 7858).
    Tls,
    /// Over HTTPS (RFC 8484).
    Https,
}

impl Names for Protocol {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("Do53", Self::Plain),
        ("DoT", Self::Tls),
        ("DoH", Self::Https),
    ];
}

impl Kind for ResolverKeys {
    const ROLE: Role = Role::Other;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let encrypted = |server: &NameserverKeys| server.protocol() != Protocol::Plain;
        if let Some(servers) = &self.nameservers
            && !servers.is_empty()
            && servers.iter().all(encrypted)
        {
            let rule = "every name server is encrypted: a machine that has no time yet asks none";
            self.warn(source, servers, rule, Some("add one with protocol: Do53"));
        }
        if let Some(Quiet(host_dns)) = self.host_dns.as_deref() {
            host_dns.check(source);
        }
        for server in self.nameservers.items() {
            server.apply(source, out);
        }
        if let Some(search) = self.search_domains {
            search.value.apply(source, out);
        }
    }
}

impl SearchKeys {
    fn apply(self, source: &Source<'_>, out: &mut Document) {
        own_domain(self.disable_default, source, out);
        let partial = self.is_partial();
        search_domains(self.domains, partial, source, out);
    }
}

/// The domains that are searched, here or in the older form; `partial`: not all that was written was right, so what
/// is left does not say "none".
pub fn search_domains(
    domains: Option<At<Vec<At<Hostname>>>>,
    partial: bool,
    source: &Source<'_>,
    out: &mut Document,
) {
    if let Some(domains) = domains
        && !(domains.is_empty() && partial)
    {
        let domains = domains.value.into_iter();
        out.search_domains = Some(domains.map(|domain| domain.said(source)).collect());
    }
}

/// Whether the machine's own domain is not searched, here or in the older form.
pub fn own_domain(disabled: Option<At<bool>>, source: &Source<'_>, out: &mut Document) {
    if let Some(At { value, mark }) = disabled {
        out.search_own_domain = Some(Said::new(!value, source.origin(mark)));
    }
}

impl HostDnsKeys {
    /// Checks the rules of it, here or in the older form.
    pub fn check(&self, source: &Source<'_>) {
        let is = |at: &Option<At<bool>>| at.is_some_and(|at| at.value);
        for (what, at) in [
            ("forwardKubeDNSToHost", &self.forward),
            ("resolveMemberNames", &self.resolve_members),
        ] {
            if is(at) && !is(&self.enabled) {
                let rule = format!("{what} needs enabled: true");
                self.refuse_value(source, at, &rule, None);
            }
        }
        if is(&self.enabled) {
            let why = "name servers are asked by those who look names up, as in resolv.conf";
            self.idle(source, &self.enabled, "a name server on this machine", why);
        }
    }
}

impl NameserverKeys {
    fn protocol(&self) -> Protocol {
        self.protocol.map_or(Protocol::Plain, |said| said.value)
    }

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        match (self.protocol(), &self.tls_server_name) {
            (Protocol::Plain, None) => {
                let server = self.address.said(source).map(NameServer::from);
                out.nameservers.push(server);
            }
            (Protocol::Plain, Some(_)) => {
                let rule = "tlsServerName needs protocol: DoT or DoH";
                self.refuse(source, &self.tls_server_name, rule, None);
            }
            // Asking it without encryption would be worse than not asking it.
            (Protocol::Tls | Protocol::Https, Some(_)) => {
                let why = "this name server is not asked";
                self.idle(source, &self.protocol, "encryption", why);
            }
            (Protocol::Tls | Protocol::Https, None) => {
                let rule = "an encrypted nameserver needs tlsServerName";
                self.refuse(source, &self.protocol, rule, None);
            }
        }
    }
}
