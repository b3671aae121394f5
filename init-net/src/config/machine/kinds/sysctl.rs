//! `SysctlConfig`, and the parameters of the older form.

use std::collections::BTreeMap;

use super::{Kind, Role};
use crate::config::machine::record::{At, Record, Table};
use crate::config::machine::source::Source;
use crate::config::{Document, SysctlConfig};
use crate::value::SysctlKey;

keys! {
    /// Kernel parameters. Those below `net` are ours, the others are left alone.
    pub struct SysctlKeys("SysctlConfig") {
        /// Names such as `net.ipv4.ip_forward` and what is written to them.
        "params" params: Table<String>,
    }
}

impl Kind for SysctlKeys {
    const ROLE: Role = Role::Other;

    fn apply(self, source: &Source<'_>, out: &mut Document) {
        let mut params = read(&self, &self.params, source);
        for older in out.sysctls.drain(..) {
            params.entry(older.key.clone()).or_insert(older);
        }
        out.sysctls = params.into_values().collect();
    }
}

/// Adds the parameters of the older form, which stand in `record`: a document's go before them.
pub fn older(
    record: &impl Record,
    table: &Option<At<Table<String>>>,
    source: &Source<'_>,
    out: &mut Document,
) {
    let mut params = read(record, table, source);
    for newer in out.sysctls.drain(..) {
        params.insert(newer.key.clone(), newer);
    }
    out.sysctls = params.into_values().collect();
}

/// Our parameters in `table`; reports those that are none.
fn read(
    record: &impl Record,
    table: &Option<At<Table<String>>>,
    source: &Source<'_>,
) -> BTreeMap<SysctlKey, SysctlConfig> {
    let mut params = BTreeMap::new();
    for (name, value) in table.iter().flat_map(|table| &table.0) {
        let Ok(key) = name.parse::<SysctlKey>() else {
            let rule = "this is not the name of a kernel parameter";
            let fix = "write net.ipv4.ip_forward or net/ipv4/conf/eth0.5/rp_filter";
            record.refuse_value(source, name, rule, Some(fix));
            continue;
        };
        if key.segments().next() != Some("net") {
            continue;
        }
        if value.contains(char::is_control) {
            let rule = "the value of a kernel parameter is one line";
            record.refuse_value(source, value, rule, None);
            continue;
        }
        if params.contains_key(&key) {
            let rule = format!("{key} stands here twice, in two spellings");
            record.refuse_value(source, name, &rule, None);
            continue;
        }
        let origin = source.origin(name.mark);
        let value = value.value.clone();
        params.insert(key.clone(), SysctlConfig { key, value, origin });
    }
    params
}
