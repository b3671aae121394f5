//! Links, network cards and their names.

use serde_json::{Value, json};

use super::{Facts, put, with_id};
use crate::state::{KindStatus, LinkStatus};
use crate::value::LinkName;

impl Facts<'_> {
    pub(super) fn links(&self) -> Vec<Value> {
        let links = self.observed.links.values();
        links.map(|link| self.link(link)).collect()
    }

    fn name(&self, index: u32) -> Option<&LinkName> {
        self.observed.links.get(&index).map(|link| &link.name)
    }

    /// Everything that is known of one link, with the names behind its numbers.
    fn link(&self, link: &LinkStatus) -> Value {
        let mut value = with_id(link.name.to_string(), link);
        let carrier = link.is_up() && link.has_carrier();
        put(&mut value, "carrier", Some(carrier));
        put(&mut value, "linkState", Some(carrier));
        put(&mut value, "masterName", self.name(link.master_index));
        let other = self.name(link.link_index);
        if link.kind == "veth" {
            let peer = other.map(|name| json!({ "peerName": name }));
            put(&mut value, "veth", peer);
        } else {
            put(
                &mut value,
                "parentName",
                other.filter(|name| **name != link.name),
            );
        }
        if let Some((state, since)) = self.record.progress().link(link.index) {
            put(&mut value, "state", Some(state));
            put(&mut value, "since", Some(since));
        }
        self.put_kind(link, &mut value);
        self.put_port(link, &mut value);
        value
    }

    /// The settings of its kind, by the names of the field.
    fn put_kind(&self, link: &LinkStatus, value: &mut Value) {
        match &link.kind_data {
            Some(KindStatus::Vlan { id, protocol }) => {
                let vlan = json!({ "vid": id, "protocol": protocol });
                put(value, "vlan", Some(vlan));
            }
            Some(KindStatus::Bond {
                options,
                primary_index,
                active_index,
            }) => {
                let mut bond = serde_json::to_value(options).unwrap_or_default();
                put(&mut bond, "primary", self.name(*primary_index));
                put(&mut bond, "activeSlave", self.name(*active_index));
                put(value, "bondMaster", Some(bond));
            }
            Some(KindStatus::Bridge(options)) => put(value, "bridgeMaster", Some(options)),
            Some(KindStatus::Vrf { table }) => {
                put(value, "vrfMaster", Some(json!({ "table": table })));
            }
            _ => {}
        }
        put(
            value,
            "bridgeVlans",
            self.observed.bridge_vlans.get(&link.index),
        );
        if let Some((device, traffic)) = self.sample.wireguard.get(&link.index) {
            let mut wireguard = serde_json::to_value(device).unwrap_or_default();
            let peers = wireguard.get_mut("peers").and_then(Value::as_array_mut);
            for (peer, fields) in device.peers.iter().zip(peers.into_iter().flatten()) {
                let traffic = traffic.get(&peer.public_key);
                if let Some(Ok(Value::Object(counts))) = traffic.map(serde_json::to_value) {
                    super::extend(fields, counts);
                }
            }
            put(value, "wireguard", Some(wireguard));
        } else if let Some(device) = self.observed.wireguard.get(&link.index) {
            put(value, "wireguard", Some(device));
        }
    }

    /// What its driver says of a card.
    fn put_port(&self, link: &LinkStatus, value: &mut Value) {
        put(value, "duplex", link.card.full_duplex.map(duplex));
        if let Some(card) = self.sample.cards.get(&link.index) {
            put(value, "port", card.port);
            put(value, "firmwareVersion", card.firmware_version.as_ref());
            if link.card.driver_version.is_none() {
                put(value, "driverVersion", card.driver_version.as_ref());
            }
        }
    }

    /// Network cards, with the settings that ethtool(8) makes: those that were looked at for this answer, else those that
    /// are kept.
    pub(super) fn ethernet(&self) -> Vec<Value> {
        let found = self.observed.links.values().filter_map(|link| {
            let sampled = self.sample.ethernet.get(&link.index);
            let options = sampled.or_else(|| self.observed.ethernet.get(&link.index))?;
            let mut value = with_id(link.name.to_string(), options);
            let carrier = link.is_up() && link.has_carrier();
            put(&mut value, "linkState", Some(carrier));
            put(&mut value, "speedMbit", link.card.speed_mbit);
            self.put_port(link, &mut value);
            Some(value)
        });
        found.collect()
    }

    /// Links that have a name of their own beside the kernel's.
    pub(super) fn aliases(&self) -> Vec<Value> {
        let alias = |link: &LinkStatus| {
            let alias = link.alias.as_ref()?;
            Some(json!({ "id": link.name, "alias": alias }))
        };
        self.observed.links.values().filter_map(alias).collect()
    }
}

/// As the field spells it.
const fn duplex(full: bool) -> &'static str {
    if full { "Full" } else { "Half" }
}
