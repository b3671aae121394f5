//! `${mac}`, `${uuid}`, `${serial}` and `${hostname}` in configuration URLs.

use core::fmt;

/// What the machine knows of itself when the URL is fetched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    /// Hardware address of the boot device.
    pub mac: Option<String>,
    /// SMBIOS system UUID.
    pub uuid: Option<String>,
    /// SMBIOS serial number.
    pub serial: Option<String>,
    /// Host name.
    pub hostname: Option<String>,
}

/// What keeps a URL from being complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VariableError {
    /// The variable has no value (yet).
    Unset(&'static str),
    /// There is no such variable.
    Unknown(String),
    /// `${` without `}`.
    Unclosed,
}

impl fmt::Display for VariableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset(name) => write!(f, "${{{name}}} has no value on this machine"),
            Self::Unknown(name) => write!(
                f,
                "unknown variable \"{}\"; there are mac, uuid, serial and hostname",
                name.chars().take(40).collect::<String>()
            ),
            Self::Unclosed => f.write_str("\"${\" without \"}\""),
        }
    }
}

/// `url` with every variable replaced. Names have no case; values are percent-encoded, so that none can add a
/// parameter, a path or a host.
pub fn substitute(url: &str, variables: &Variables) -> Result<String, VariableError> {
    let mut out = String::with_capacity(url.len());
    let mut rest = url;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or(VariableError::Unclosed)?;
        let (name, value) = match name.to_ascii_lowercase().as_str() {
            "mac" => ("mac", &variables.mac),
            "uuid" => ("uuid", &variables.uuid),
            "serial" => ("serial", &variables.serial),
            "hostname" => ("hostname", &variables.hostname),
            _ => return Err(VariableError::Unknown(name.to_owned())),
        };
        out.push_str(before);
        encode(
            value.as_deref().ok_or(VariableError::Unset(name))?,
            &mut out,
        );
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// RFC 3986 §2.3: unreserved characters stay, and `:`, which is legal in a query and usual in a MAC.
fn encode(value: &str, out: &mut String) {
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expect: Result<&str, VariableError>) {
        let variables = Variables {
            mac: Some("52:54:00:12:34:56".into()),
            uuid: None,
            serial: Some("A B&c=d/../#é".into()),
            hostname: Some("web1".into()),
        };
        assert_eq!(substitute(url, &variables), expect.map(str::to_owned));
    }

    #[test]
    fn urls() {
        check("http://c/x", Ok("http://c/x"));
        check(
            "http://c/x?m=${mac}&h=${HostName}&e",
            Ok("http://c/x?m=52:54:00:12:34:56&h=web1&e"),
        );
        check(
            "http://c/?s=${serial}",
            Ok("http://c/?s=A%20B%26c%3Dd%2F..%2F%23%C3%A9"),
        );
        check("http://c/?u=${uuid}", Err(VariableError::Unset("uuid")));
        check(
            "http://c/?u=${user}",
            Err(VariableError::Unknown("user".into())),
        );
        check("http://c/?u=${mac", Err(VariableError::Unclosed));
        check("http://c/?u=$mac", Ok("http://c/?u=$mac"));
    }
}
