//! Equinix Metal, whose service has ended: for who runs the same API.
//!
//! An address has to be taken from one device before another one gets it, and between the two nobody has it. So what can fail is
//! asked before: this device and the project are known by then, and a removal that finds nothing is none.

use core::net::IpAddr;

use serde_json::{Value, json};

use super::reply::{Reply, name};
use super::{Ask, Base, Cloud, Holder, Procedure, Step, Task};
use crate::proto::http::{Method, Request};
use crate::value::{Instant, Secret, VipApi};

const CLOUD: Cloud = Cloud {
    api: "https://api.equinix.com/metal/v1",
    metadata: "https://metadata.platformequinix.com",
    header: "X-Auth-Token",
    scheme: "",
};
/// Most assignments of one address.
const MAX_ASSIGNMENTS: usize = 16;

#[derive(Debug)]
pub(super) struct Equinix {
    api: VipApi,
    ip: IpAddr,
    task: Task,
    device: Option<String>,
    project: Option<String>,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Identity,
    Project,
    /// The addresses of this device; `after`: it has asked for it.
    Own {
        after: bool,
    },
    /// The addresses of the project.
    All,
    /// An assignment is being removed, and these are next.
    Free {
        left: Vec<String>,
    },
    Take,
}

impl Equinix {
    pub(super) fn new(api: VipApi, ip: IpAddr) -> Self {
        Self {
            api,
            ip,
            task: Task::Audit,
            device: None,
            project: None,
            state: State::Identity,
        }
    }

    fn own(&mut self, after: bool) -> Ask {
        self.state = State::Own { after };
        let device = self.device.as_deref().unwrap_or_default();
        Ask::get(Base::Api, format!("/devices/{device}/ips"))
    }

    fn is_ours(&self, value: &Value) -> bool {
        let text = value.get("address").and_then(Value::as_str);
        text.and_then(|text| text.parse().ok()) == Some(self.ip)
    }

    /// The assignments of the address that are not this device's.
    fn others(&mut self, reply: &Reply<'_>) -> Step {
        if !reply.has_list("/ip_addresses") {
            return Step::Again("an answer without addresses".into());
        }
        let found = reply.list("/ip_addresses").find(|it| self.is_ours(it));
        let Some(found) = found else {
            return Step::Fail(format!("{} is no address of this project", self.ip));
        };
        let assignments = found.get("assignments").and_then(Value::as_array);
        let last = |it: &Value| {
            let href = it.get("href")?.as_str()?;
            let end = href.rsplit('/').next()?;
            name(&Value::from(end))
        };
        let others = assignments.into_iter().flatten().filter_map(last);
        let others: Vec<String> = others.take(MAX_ASSIGNMENTS).collect();
        match (self.task, others.is_empty()) {
            (Task::Audit, true) => Step::Done(Holder::Nobody),
            (Task::Audit, false) => Step::Done(Holder::Other("another device".into())),
            (Task::Acquire | Task::Release, _) => self.free(others),
        }
    }

    fn free(&mut self, mut left: Vec<String>) -> Step {
        let Some(next) = left.pop() else {
            self.state = State::Take;
            let device = self.device.as_deref().unwrap_or_default();
            let body = json!({ "address": self.ip });
            return Step::Ask(Ask::post(format!("/devices/{device}/ips"), body));
        };
        self.state = State::Free { left };
        Step::Ask(Ask {
            method: Method::Delete,
            ..Ask::get(Base::Api, format!("/ips/{next}"))
        })
    }
}

impl Procedure for Equinix {
    fn begin(&mut self, task: Task) -> Option<Ask> {
        self.task = task;
        if task == Task::Release {
            return None;
        }
        Some(match (&self.device, &self.project) {
            (Some(_), Some(_)) => self.own(false),
            _ => {
                self.state = State::Identity;
                Ask::get(Base::Metadata, "/metadata")
            }
        })
    }

    fn take(&mut self, reply: &Reply<'_>) -> Step {
        let state = self.state.clone();
        if let State::Free { left } = state {
            // One that is gone needs no removal.
            return match reply.status {
                404 => self.free(left),
                _ if reply.is_good() => self.free(left),
                _ => Step::Again(reply.fault()),
            };
        }
        if !reply.is_good() {
            return Step::Again(reply.fault());
        }
        match state {
            State::Identity => match reply.at("/id").and_then(name) {
                Some(device) => {
                    let path = format!("/devices/{device}?include=project");
                    self.device = Some(device);
                    self.state = State::Project;
                    Step::Ask(Ask::get(Base::Api, path))
                }
                None => Step::Again("metadata: this device has no id".into()),
            },
            State::Project => match reply.at("/project/id").and_then(name) {
                Some(project) => {
                    self.project = Some(project);
                    Step::Ask(self.own(false))
                }
                None => Step::Again("this device has no project".into()),
            },
            State::Own { .. } if !reply.has_list("/ip_addresses") => {
                Step::Again("an answer without addresses".into())
            }
            State::Own { after } => {
                let has = reply.list("/ip_addresses").any(|it| self.is_ours(it));
                match (has, after) {
                    (true, _) => Step::Done(Holder::Ours),
                    (false, true) => Step::Again("the address did not come".into()),
                    (false, false) => {
                        self.state = State::All;
                        let project = self.project.as_deref().unwrap_or_default();
                        Step::Ask(Ask::get(Base::Api, format!("/projects/{project}/ips")))
                    }
                }
            }
            State::All => self.others(reply),
            State::Take => Step::Ask(self.own(true)),
            State::Free { .. } => Step::Again("an answer to nothing".into()),
        }
    }

    fn request(&self, ask: &Ask, deadline: Instant) -> Result<Request, String> {
        CLOUD.request(&self.api, ask, deadline)
    }

    fn secrets(&self) -> Vec<&Secret> {
        vec![&self.api.api_token]
    }
}
