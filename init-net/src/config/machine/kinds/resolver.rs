//! `ResolverConfig`.

use core::net::IpAddr;

use super::{Kind, Role};
use crate::config::Document;
use crate::config::machine::record::{At, Items as _, Record as _};
use crate::config::machine::scalar::Names;
use crate::config::machine::source::Source;
use crate::value::Hostname;

keys! {
    /// Name servers and search domains.
    pub struct ResolverKeys("ResolverConfig") {
        /// The name servers, the first one asked first.
        "nameservers" nameservers: Vec<NameserverKeys>,
        /// Where names without a dot are looked for.
        "searchDomains" search_domains: SearchKeys,
        /// A name server on the machine itself.
        later "hostDNS": HostDnsKeys,
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
        later "disableDefault": bool,
    }
}

keys! {
    /// A name server on the machine itself.
    pub struct HostDnsKeys("hostDNS") {
        /// Whether it runs.
        later "enabled": bool,
        /// Whether the cluster's names are asked of it.
        later "forwardKubeDNSToHost": bool,
        /// Whether it knows the members of the cluster.
        later "resolveMemberNames": bool,
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
        for server in self.nameservers.items() {
            server.apply(source, out);
        }
        if let Some(search) = self.search_domains
            && let Some(domains) = search.value.domains
        {
            let domains = domains.value.into_iter();
            out.search_domains = Some(domains.map(|domain| domain.said(source)).collect());
        }
    }
}

impl NameserverKeys {
    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let protocol = self.protocol.map_or(Protocol::Plain, |said| said.value);
        match (protocol, &self.tls_server_name) {
            (Protocol::Plain, None) => out.nameservers.push(self.address.said(source)),
            (Protocol::Plain, Some(_)) => {
                let rule = "tlsServerName needs protocol: DoT or DoH";
                self.refuse(source, &self.tls_server_name, rule, None);
            }
            // Asking it without encryption would be worse than not asking it.
            (Protocol::Tls | Protocol::Https, Some(_)) => {
                self.later(source, &self.protocol, "protocol");
            }
            (Protocol::Tls | Protocol::Https, None) => {
                let rule = "an encrypted nameserver needs tlsServerName";
                self.refuse(source, &self.protocol, rule, None);
            }
        }
    }
}
