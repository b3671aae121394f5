//! Pods, connected as a container runtime connects them: by the real CNI plugins of a list.
//!
//! The plugins are processes (CNI specification 1.0.0): operation, pod and folder in the environment, configuration on standard
//! input, what came of it on standard output, which goes to the next one as `prevResult`.

use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;
use serde_json::json;

use super::program;
use crate::Error;
use crate::Lab;
use crate::Namespace;
use crate::Result;
use crate::artefacts;
use crate::error::Context;

/// The link in a pod.
const LINK: &str = "eth0";

/// What connects the pods of one machine.
#[derive(Debug)]
pub struct Pods {
    plugins: PathBuf,
    /// A plugin's configuration each, in order.
    list: Vec<Value>,
}

/// A pod with its network.
#[derive(Debug)]
pub struct Pod {
    /// Where its programs run.
    pub namespace: Namespace,
    name: String,
    ports: Vec<Value>,
    result: Value,
}

impl Pods {
    /// A bridge `cni0` with a gateway in each of `subnets` (`10.244.0.0/24`), addresses by host-local, masquerade for what
    /// leaves, and ports of the host by portmap. Its memory is in the lab's folder.
    pub fn new(lab: &Lab, subnets: &[&str]) -> Self {
        let ranges: Vec<Value> = subnets
            .iter()
            .map(|subnet| json!([{ "subnet": subnet }]))
            .collect();
        let bridge = json!({
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": true,
            "ipMasq": true,
            "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "dataDir": lab.folder().join("pods"),
                "ranges": ranges,
                "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }],
            },
        });
        let portmap = json!({
            "type": "portmap",
            "capabilities": { "portMappings": true },
            "snat": true,
        });
        let unpacked = artefacts::target_folder().join("lab/peers/usr/lib/cni");
        let plugins = if unpacked.is_dir() {
            unpacked
        } else {
            PathBuf::from("/usr/lib/cni")
        };
        Self {
            plugins,
            list: vec![bridge, portmap],
        }
    }

    /// A pod on the machine of the calling thread; `ports` are pairs of a port of the host and one of the pod, each for TCP
    /// and UDP.
    ///
    /// # Errors
    /// A plugin is missing, or says what it does not like.
    pub fn add(&self, name: &str, ports: &[(u16, u16)]) -> Result<Pod> {
        let ports = ports.iter().flat_map(|(host, pod)| {
            ["tcp", "udp"].map(
                |protocol| json!({ "hostPort": host, "containerPort": pod, "protocol": protocol }),
            )
        });
        let mut pod = Pod {
            namespace: Namespace::new()?,
            name: name.to_owned(),
            ports: ports.collect(),
            result: Value::Null,
        };
        for plugin in &self.list {
            let answer = self.call("ADD", plugin, &pod)?;
            pod.result = serde_json::from_str(&answer).unwrap_or(Value::Null);
        }
        Ok(pod)
    }

    /// Takes a pod away, its ports first.
    ///
    /// # Errors
    /// As [`Pods::add`].
    pub fn delete(&self, pod: &Pod) -> Result<()> {
        for plugin in self.list.iter().rev() {
            self.call("DEL", plugin, pod)?;
        }
        Ok(())
    }

    fn call(&self, operation: &str, plugin: &Value, pod: &Pod) -> Result<String> {
        let kind = plugin["type"].as_str().unwrap_or_default();
        let mut config = plugin.clone();
        config["cniVersion"] = json!("1.0.0");
        config["name"] = json!("pods");
        if !config["capabilities"].is_null() {
            config["runtimeConfig"] = json!({ "portMappings": pod.ports });
        }
        if !pod.result.is_null() {
            config["prevResult"] = pod.result.clone();
        }
        let mut command = Command::new(self.plugins.join(kind));
        command
            .env("CNI_COMMAND", operation)
            .env("CNI_CONTAINERID", &pod.name)
            .env("CNI_NETNS", pod.namespace.path())
            .env("CNI_IFNAME", LINK)
            .env("CNI_PATH", &self.plugins)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        program::with_libraries(&mut command);
        let what = format!("{operation} of {} by {kind}", pod.name);
        let mut child = command.spawn().context(&what)?;
        if let Some(mut input) = child.stdin.take() {
            input
                .write_all(config.to_string().as_bytes())
                .context(&what)?;
        }
        let output = child.wait_with_output().context(&what)?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            return Ok(said);
        }
        Err(Error::Program {
            command: what,
            output: format!("{said}{}", String::from_utf8_lossy(&output.stderr)),
        })
    }
}

impl Pod {
    /// Its address in `subnet`, which is meant as a text that the address begins with (`10.244.`).
    pub fn address(&self, subnet: &str) -> Option<String> {
        let addresses = self.result["ips"].as_array()?;
        let addresses = addresses.iter().filter_map(|ip| ip["address"].as_str());
        let found = addresses.filter_map(|address| address.split('/').next());
        found
            .filter(|address| address.starts_with(subnet))
            .map(str::to_owned)
            .next()
    }
}

/// Runs an iptables of the lab (`iptables-save`, `ip6tables`) on the machine of the calling thread.
///
/// # Errors
/// It is missing, or fails.
pub fn iptables(name: &str, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(name);
    program::with_libraries(&mut command);
    crate::process::run(command.args(arguments))
}
