//! What documents say of dynamic sources, and names that they give to links.

use super::*;
use crate::config::IfName;
use crate::state::{OperatorNeed, OperatorSpec};

fn on(method: AutoMethod, change: impl FnOnce(&mut OperatorConfig)) -> Document {
    config(|d| {
        let mut said = OperatorConfig::new(link("eth1"), method, at("operator"));
        change(&mut said);
        d.operators.push(said);
    })
}

fn runs(desired: &Desired, kind: OperatorKind) -> Option<&OperatorSpec> {
    desired.operators.get(&(name("eth1"), kind))
}

#[test]
fn what_an_operator_is_told_reaches_it() {
    let desired = good(&[on(AutoMethod::Dhcp4, |said| {
        said.table = "101".parse().ok();
        (said.use_dns, said.use_domains) = (Some(false), Some(false));
        (said.use_mtu, said.use_ntp) = (Some(false), Some(false));
        said.hostname = Some("told".parse().unwrap());
    })]);
    let spec = runs(&desired, OperatorKind::Dhcp4).unwrap();
    assert_eq!(spec.route_table, "101".parse::<RouteTable>().ok());
    assert!(spec.ignore_dns && spec.ignore_domains && spec.ignore_mtu && spec.ignore_ntp);
    assert_eq!(spec.hostname, Some("told".parse().unwrap()));
}

#[test]
fn the_own_name_is_told_where_that_is_said() {
    let named = |layer| {
        let mut document = document(layer);
        let said = Said::new("web1.example".parse().unwrap(), at("name"));
        document.hostnames.push(said);
        document
    };
    let tells = |send: Option<bool>, layer: Layer| {
        let said = on(AutoMethod::Dhcp4, |said| said.send_hostname = send);
        let desired = good(&[named(layer), said]);
        let spec = runs(&desired, OperatorKind::Dhcp4).unwrap();
        spec.hostname.as_ref().map(ToString::to_string)
    };
    assert_eq!(tells(Some(true), Layer::Platform).as_deref(), Some("web1"));
    assert_eq!(tells(None, Layer::Platform), None);
    assert_eq!(tells(Some(false), Layer::Platform), None);
    // A name that came from a server is not told to servers.
    assert_eq!(tells(Some(true), Layer::Operator), None);
}

#[test]
fn no_default_route_of_the_kernel_where_routes_are_elsewhere() {
    let written = |document: Document| {
        let desired = good(&[document]);
        let key = "net/ipv6/conf/eth1/accept_ra_defrtr".parse().unwrap();
        desired.sysctls.get(&key).map(|spec| spec.value.clone())
    };
    let zero = Some("0".to_owned());
    assert_eq!(written(on(AutoMethod::Auto6, |_| {})), None);
    let ignores = on(AutoMethod::Auto6, |said| said.ignore_routes = Some(true));
    assert_eq!(written(ignores), zero);
    let table = on(AutoMethod::Auto6, |said| {
        said.table = "101".parse().ok();
    });
    assert_eq!(written(table), zero);
}

/// The kernel would not listen, and neither do we: a route that our client took of an advertisement is one that was
/// switched off.
#[test]
fn a_link_that_accepts_no_advertisements_has_no_client_for_them() {
    let mut said = on(AutoMethod::Any, |_| {});
    assert!(runs(&good(&[said.clone()]), OperatorKind::Router).is_some());
    let mut deaf = LinkConfig::new(link("eth1"), at("link"));
    deaf.settings.accept_ra = Some(0);
    said.links.push(deaf);
    let desired = good(&[said]);
    assert!(runs(&desired, OperatorKind::Router).is_none());
    assert!(runs(&desired, OperatorKind::Dhcp6).is_none());
    assert!(runs(&desired, OperatorKind::Dhcp4).is_some());
    let key = "net/ipv6/conf/eth1/accept_ra".parse().unwrap();
    assert_eq!(desired.sysctls[&key].value, "0");
}

#[test]
fn names_given_by_selector() {
    let by_name = DeviceSelector {
        name: Some("eth1".into()),
        ..DeviceSelector::default()
    };
    let selected = LinkRef::Selector(by_name);
    let said = config(|d| {
        d.names.push(IfName {
            name: name("lan0"),
            link: selected.clone(),
            origin: at("set-name"),
        });
        let address = "192.0.2.7/24".parse().unwrap();
        d.addresses
            .push(AddressConfig::new(selected.clone(), address, at("address")));
    });
    let check = |links: &BTreeMap<u32, LinkStatus>, before: Option<&str>| {
        let (desired, diagnostics) = compile(core::slice::from_ref(&said), links);
        assert_eq!(faults(&diagnostics), [""; 0]);
        let spec = spec(&desired, "lan0");
        assert_eq!(spec.renamed_from, before.map(name));
        let of: Vec<&str> = desired
            .addresses
            .values()
            .map(|spec| spec.link_name.as_str())
            .collect();
        assert_eq!(of, ["lan0"]);
    };
    let mut links = machine();
    check(&links, Some("eth1"));
    // Once it has the name, it is still the one that was meant.
    links.get_mut(&3).unwrap().name = name("lan0");
    check(&links, None);
}

#[test]
fn a_name_for_several_links_is_refused() {
    let said = config(|d| {
        let every = DeviceSelector {
            name: Some("eth*".into()),
            ..DeviceSelector::default()
        };
        d.names.push(IfName {
            name: name("lan0"),
            link: LinkRef::Selector(every),
            origin: at("set-name"),
        });
    });
    let desired = bad(&[said], &["Error: several links are to be called lan0"]);
    assert!(!desired.links.contains_key(&name("lan0")));
}

#[test]
fn nothing_waits_for_what_is_optional() {
    let need = |optional| {
        let desired = good(&[on(AutoMethod::Any, |said| said.optional = optional)]);
        let kinds = [
            OperatorKind::Dhcp4,
            OperatorKind::Router,
            OperatorKind::Dhcp6,
        ];
        kinds.map(|kind| runs(&desired, kind).unwrap().need)
    };
    assert_eq!(need(None), [OperatorNeed::OneOfThem; 3]);
    assert_eq!(need(Some(false)), [OperatorNeed::OneOfThem; 3]);
    assert_eq!(need(Some(true)), [OperatorNeed::Optional; 3]);
}

#[test]
fn temporary_addresses_are_a_parameter_of_the_link() {
    let mut said = LinkConfig::new(link("eth1"), at("link"));
    said.settings.temporary_addresses = Some(2);
    let desired = good(&[config(|d| d.links.push(said))]);
    let key = "net/ipv6/conf/eth1/use_tempaddr".parse().unwrap();
    assert_eq!(desired.sysctls[&key].value, "2");
}
