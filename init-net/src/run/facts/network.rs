//! What is desired with how it stands: parameters, the host name, operators, shared addresses, addresses of the machine.

use serde_json::{Value, json};

use super::{Facts, add, put, vip_id, with_id};
use crate::value::Prefix;

impl Facts<'_> {
    /// Parameters, each with what it reads now.
    pub(super) fn sysctls(&self) -> Vec<Value> {
        let sysctls = self.desired.sysctls.values().map(|spec| {
            let mut value = with_id(spec.key.to_string(), spec);
            let current = self.observed.sysctls.get(&spec.key);
            put(&mut value, "current", Some(current));
            value
        });
        sysctls.collect()
    }

    /// The name that the kernel has. It has no domain (NIS apart): that is the desired one, while the name is.
    pub(super) fn hostname(&self) -> Vec<Value> {
        let Some(name) = &self.observed.hostname else {
            return Vec::new();
        };
        let spec = self.desired.hostname.as_ref();
        let domain = spec.filter(|spec| spec.hostname == *name);
        let domain = domain.map(|spec| spec.domainname.as_str());
        vec![json!({
            "id": "hostname",
            "hostname": name,
            "domainname": domain.unwrap_or_default(),
        })]
    }

    /// Operators, each with the state of its client; without one it does not run: no link, no carrier, or not here.
    pub(super) fn operators(&self) -> Vec<Value> {
        let operators = self.desired.operators.values().map(|spec| {
            let id = format!("{}/{}", spec.operator, spec.link_name);
            let text = |lease: &Value, field: &str| {
                lease.get(field).and_then(Value::as_str).map(str::to_owned)
            };
            let mut leases = self.leases.iter();
            let lease = leases.find(|lease| text(lease, "id").as_ref() == Some(&id));
            let mut value = with_id(id, spec);
            put(&mut value, "running", Some(lease.is_some()));
            put(&mut value, "state", lease.and_then(|it| text(it, "state")));
            put(
                &mut value,
                "leased",
                lease.and_then(|it| text(it, "address")),
            );
            value
        });
        operators.collect()
    }

    /// Shared addresses, each with whether this machine has it now.
    pub(super) fn vips(&self) -> Vec<Value> {
        let vips = self.desired.vips.values().map(|spec| {
            let link = self.observed.link(&spec.holder);
            let held = self.observed.addresses.iter().any(|address| {
                Some(address.link_index) == link.map(|link| link.index)
                    && address.address.address() == spec.ip
            });
            let mut value = with_id(vip_id(spec), spec);
            put(&mut value, "held", Some(held));
            put(&mut value, "providerName", Some(spec.provider.name()));
            let id = (spec.link_name.clone(), spec.ip);
            if let Some(status) = self.vips.get(&id) {
                add(&mut value, status);
            }
            value
        });
        vips.collect()
    }

    pub(super) fn node_addresses(&self) -> Vec<Value> {
        let spec = &self.desired.node_addresses;
        let resource = |(id, addresses): (String, Vec<Prefix>)| json!({ "id": id, "addresses": addresses, "sortAlgorithm": spec.sort_algorithm });
        let lists = self.record.nodes().lists(spec).into_iter();
        lists.map(resource).collect()
    }

    pub(super) fn node_address_filters(&self) -> Vec<Value> {
        let subnets = &self.desired.node_addresses.cluster_subnets;
        let none: [Prefix; 0] = [];
        vec![
            json!({ "id": "no-k8s", "includeSubnets": none, "excludeSubnets": subnets }),
            json!({ "id": "only-k8s", "includeSubnets": subnets, "excludeSubnets": none }),
        ]
    }
}
