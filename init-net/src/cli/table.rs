//! Resources as a table that fits a terminal.

use serde_json::Value;

/// Widest table (DESIGN §4), columns.
const MAX_WIDTH: usize = 100;

/// Which fields a kind shows after its id, with their titles.
pub fn columns(kind: &str) -> &'static [(&'static str, &'static str)] {
    match kind {
        "links" => &[
            ("TYPE", "type"),
            ("KIND", "kind"),
            ("HW ADDR", "hardwareAddr"),
            ("OPER STATE", "operationalState"),
            ("CARRIER", "carrier"),
            ("MTU", "mtu"),
            ("DRIVER", "driver"),
        ],
        "linkspecs" => &[
            ("KIND", "kind"),
            ("PARENT", "parentName"),
            ("UP", "up"),
            ("MTU", "mtu"),
            ("LAYER", "layer"),
            ("ORIGIN", "origin"),
        ],
        "addresses" => &[
            ("ADDRESS", "address"),
            ("LINK", "linkName"),
            ("SCOPE", "scope"),
            ("PROTO", "protocol"),
        ],
        "addressspecs" => &[("LAYER", "layer"), ("ORIGIN", "origin")],
        "routes" => &[
            ("DESTINATION", "dst"),
            ("GATEWAY", "gateway"),
            ("LINK", "outLinkName"),
            ("METRIC", "priority"),
            ("PROTO", "protocol"),
        ],
        "routespecs" => &[("LAYER", "layer"), ("ORIGIN", "origin")],
        "rules" => &[
            ("SRC", "src"),
            ("DST", "dst"),
            ("TABLE", "table"),
            ("PRIORITY", "priority"),
        ],
        "rulespecs" => &[
            ("SRC", "src"),
            ("DST", "dst"),
            ("TABLE", "table"),
            ("ACTION", "action"),
            ("LAYER", "layer"),
            ("ORIGIN", "origin"),
        ],
        "ethernet" => &[("LAYER", "layer"), ("ORIGIN", "origin")],
        "aliases" => &[("ALIAS", "alias"), ("LAYER", "layer"), ("ORIGIN", "origin")],
        "sysctls" => &[
            ("VALUE", "value"),
            ("CURRENT", "current"),
            ("KEPT", "kept"),
            ("LAYER", "layer"),
        ],
        "firewall" => &[
            ("ACCEPT BY DEFAULT", "acceptByDefault"),
            ("CLUSTER", "clusterSubnets"),
            ("LAYER", "layer"),
            ("ORIGIN", "origin"),
        ],
        "vips" => &[
            ("PROVIDER", "provider"),
            ("LAYER", "layer"),
            ("ORIGIN", "origin"),
        ],
        "probes" => &[
            ("TARGET", "target"),
            ("SUCCESS", "success"),
            ("LAST ERROR", "lastError"),
        ],
        "hostname" => &[("HOSTNAME", "hostname"), ("DOMAINNAME", "domainname")],
        "hostnamespecs" => &[
            ("HOSTNAME", "hostname"),
            ("DOMAINNAME", "domainname"),
            ("LAYER", "layer"),
            ("ORIGIN", "origin"),
        ],
        "resolvers" => &[
            ("RESOLVERS", "nameServers"),
            ("SEARCH DOMAINS", "searchDomains"),
        ],
        "resolverspecs" => &[
            ("LAYER", "layer"),
            ("RESOLVERS", "nameServers"),
            ("SEARCH DOMAINS", "searchDomains"),
        ],
        "timeservers" => &[("TIMESERVERS", "timeServers"), ("LAYER", "layer")],
        "hosts" => &[("HOSTNAMES", "hostnames"), ("LAYER", "layer")],
        "nodeaddresses" => &[("ADDRESSES", "addresses")],
        "operators" => &[
            ("METRIC", "routeMetric"),
            ("LAYER", "layer"),
            ("ORIGIN", "origin"),
        ],
        "leases" => &[
            ("STATE", "state"),
            ("ADDRESS", "address"),
            ("SERVER", "serverId"),
            ("SECONDS", "leaseSecs"),
            ("HOSTNAME", "hostname"),
        ],
        "status" => &[
            ("LINKS", "links"),
            ("LOCAL", "local"),
            ("ROUTABLE", "routable"),
            ("ONLINE", "online"),
            ("CHANGE", "change"),
            ("MISSING", "missing"),
            ("CONFIG", "config"),
        ],
        "timeline" => &[("START", "start"), ("TOOK", "took")],
        _ => &[],
    }
}

/// Aligned columns, cut at [`MAX_WIDTH`]. No colour: tables are piped.
pub fn render(kind: &str, resources: &[Value]) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let columns = columns(kind);
    rows.push(
        core::iter::once("ID")
            .chain(columns.iter().map(|(title, _)| *title))
            .map(str::to_owned)
            .collect(),
    );
    for resource in resources {
        let ids = core::iter::once(cell(resource.get("id")));
        rows.push(
            ids.chain(columns.iter().map(|(_, field)| cell(resource.get(field))))
                .collect(),
        );
    }
    let widths: Vec<usize> = (0..=columns.len())
        .map(|column| {
            rows.iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}   "))
            .collect::<String>();
        let cut: String = cells.trim_end().chars().take(MAX_WIDTH).collect();
        format!("{cut}\n")
    };
    rows.iter().map(line).collect()
}

fn cell(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) => list
            .iter()
            .map(|item| cell(Some(item)))
            .collect::<Vec<_>>()
            .join(" "),
        Some(other) => other.to_string(),
    };
    // What the network named must not move a cursor.
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_fit() {
        let rows = [
            json!({"id": "eth0/10.0.0.2/24", "address": "10.0.0.2/24", "linkName": "eth0", "scope": "global", "protocol": 73}),
            json!({"id": "x".repeat(200), "address": "\u{1b}[2J"}),
        ];
        let text = render("addresses", &rows[..1]);
        assert_eq!(
            text,
            "ID                 ADDRESS       LINK   SCOPE    PROTO\neth0/10.0.0.2/24   10.0.0.2/24   eth0   global   73\n"
        );
        let text = render("addresses", &rows);
        assert!(text.lines().all(|line| line.chars().count() <= 100) && !text.contains('\u{1b}'));
    }
}
