//! `machine.network`.

use core::net::IpAddr;

use super::interface::Interface;
use super::ports::Ports;
use crate::config::Document;
use crate::config::machine::kinds::kube_span::{self, KubeSpanKeys};
use crate::config::machine::kinds::{resolver, static_host};
use crate::config::machine::record::{At, Items as _, Placed as _, Quiet, Record as _};
use crate::config::machine::source::Source;
use crate::config::machine::stream::Stream;
use crate::value::{Hostname, NameServer};

keys! {
    /// The network.
    pub struct NetworkKeys("machine.network") {
        /// The machine's name.
        "hostname" hostname: Hostname,
        /// The name servers, the first one asked first.
        "nameservers" nameservers: Vec<At<IpAddr>>,
        /// Where names without a dot are looked for.
        "searchDomains" search_domains: Vec<At<Hostname>>,
        /// Whether the machine's own domain is not searched.
        "disableSearchDomain" disable_search_domain: bool,
        /// Rows of `/etc/hosts`.
        "extraHostEntries" extra_host_entries: Vec<HostKeys>,
        /// The links.
        "interfaces" interfaces: Vec<Interface>,
        /// A mesh of all machines of the cluster.
        "kubespan" kubespan: Quiet<KubeSpanKeys>,
    }
}

keys! {
    /// One row of `/etc/hosts`.
    pub struct HostKeys("host entry") {
        /// The address.
        required "ip" ip: IpAddr,
        /// Its names, at least one.
        "aliases" aliases: Vec<At<Hostname>>,
    }
}

impl NetworkKeys {
    /// Takes it all; `worker`: the machine is one, and shares no address with others.
    pub fn apply(self, worker: bool, source: &Source<'_>, stream: &Stream<'_>, out: &mut Document) {
        let partial = self.is_partial();
        let places = [("machine.network.hostname", self.hostname.place())];
        if !stream.replaces(source, "HostnameConfig", &places) {
            let hostname = self.hostname.map(|name| name.said(source));
            out.hostnames.extend(hostname);
        }
        let places = [
            ("machine.network.nameservers", self.nameservers.place()),
            ("machine.network.searchDomains", self.search_domains.place()),
            (
                "machine.network.disableSearchDomain",
                self.disable_search_domain.place(),
            ),
        ];
        if !stream.replaces(source, "ResolverConfig", &places) {
            let servers = self.nameservers.items();
            let servers = servers.map(|server| server.said(source).map(NameServer::from));
            out.nameservers.extend(servers);
            resolver::own_domain(self.disable_search_domain, source, out);
            resolver::search_domains(self.search_domains, partial, source, out);
        }
        let places = [("machine.network.kubespan", self.kubespan.place())];
        if !stream.replaces(source, "KubeSpanConfig", &places)
            && let Some(Quiet(mesh)) = self.kubespan.as_deref()
        {
            mesh.idle(source, &self.kubespan, "this mesh", kube_span::WHY);
        }
        // Rows of this form stand before those of documents, wherever they are written.
        let newer = std::mem::take(&mut out.hosts);
        for entry in self.extra_host_entries.items() {
            static_host::row(&entry, entry.ip.value, &entry.aliases, source, out);
        }
        out.hosts.extend(newer);
        let interfaces: Vec<Interface> = self.interfaces.items().collect();
        let ports = Ports::of(&interfaces, source);
        for interface in interfaces {
            interface.apply(&ports, worker, source, out);
        }
    }
}
