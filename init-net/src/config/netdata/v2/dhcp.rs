//! `dhcp4`, `dhcp6` and their overrides.

use super::super::reader::{Reader, truth};
use crate::config::machine::tree::Node;
use crate::config::{AutoMethod, LinkRef, OperatorConfig};

impl Reader<'_> {
    pub(super) fn dynamic(&mut self, node: &Node, link: &LinkRef) {
        for (key, overrides, method) in [
            ("dhcp4", "dhcp4-overrides", AutoMethod::Dhcp4),
            ("dhcp6", "dhcp6-overrides", AutoMethod::Dhcp6),
        ] {
            if self.truth(node, key) != Some(true) {
                continue;
            }
            let mark = node.at(key).map_or(node.mark, |said| said.mark);
            let mut operator = OperatorConfig::new(link.clone(), method, self.origin(mark));
            operator.optional = self.truth(node, "optional");
            if let Some(said) = self.map(node, overrides) {
                self.overrides(said, &mut operator);
            }
            self.add_operator(mark, operator);
        }
        if let Some(said) = node.at("dhcp-identifier")
            && said.text() != Some("mac")
        {
            self.note(said.mark, "a DHCPv4 client tells its hardware address");
        }
    }

    fn overrides(&mut self, said: &Node, operator: &mut OperatorConfig) {
        operator.metric = self.read(said, "route-metric");
        operator.use_dns = self.truth(said, "use-dns");
        operator.use_domains = match said.at("use-domains").and_then(Node::text) {
            // They choose a server, and short names are not looked up in them.
            Some("route") => Some(false),
            _ => self.truth(said, "use-domains"),
        };
        operator.use_mtu = self.truth(said, "use-mtu");
        operator.use_ntp = self.truth(said, "use-ntp");
        operator.ignore_hostname = self.truth(said, "use-hostname").map(|uses| !uses);
        operator.ignore_routes = self.truth(said, "use-routes").map(|uses| !uses);
        operator.send_hostname = said.at("send-hostname").and_then(truth);
        operator.hostname = self.read(said, "hostname");
    }
}
