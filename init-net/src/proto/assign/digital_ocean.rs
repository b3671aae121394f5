//! DigitalOcean: a reserved address belongs to one droplet. Its traffic arrives at the anchor address of that droplet.

use core::net::IpAddr;

use serde_json::{Value, json};

use super::reply::{Reply, id};
use super::{Ask, Base, Cloud, Holder, Procedure, Step, Task};
use crate::proto::http::Request;
use crate::value::{Instant, Secret, VipApi};

const CLOUD: Cloud = Cloud {
    api: "https://api.digitalocean.com/v2",
    metadata: "http://169.254.169.254/metadata/v1",
    header: "Authorization",
    scheme: "Bearer ",
};

#[derive(Debug)]
pub(super) struct DigitalOcean {
    api: VipApi,
    ip: IpAddr,
    task: Task,
    /// The number of this droplet.
    own: Option<u64>,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Identity,
    /// Who has the address; `after`: this machine has asked for it.
    Address {
        after: bool,
    },
    Action,
}

impl DigitalOcean {
    pub(super) fn new(api: VipApi, ip: IpAddr) -> Self {
        Self {
            api,
            ip,
            task: Task::Audit,
            own: None,
            state: State::Identity,
        }
    }

    fn address(&mut self, after: bool) -> Ask {
        self.state = State::Address { after };
        Ask::get(Base::Api, format!("/reserved_ips/{}", self.ip))
    }

    fn judge(&mut self, reply: &Reply<'_>, after: bool) -> Step {
        let Some(address) = reply.at("/reserved_ip") else {
            return Step::Again("an answer without a reserved address".into());
        };
        let droplet = address.pointer("/droplet/id").and_then(id);
        match droplet {
            droplet if droplet.is_some() && droplet == self.own => Step::Done(Holder::Ours),
            Some(other) if self.task == Task::Audit || after => {
                Step::Done(Holder::Other(format!("droplet {other}")))
            }
            None if self.task == Task::Audit => Step::Done(Holder::Nobody),
            Some(_) | None => {
                self.state = State::Action;
                let body = json!({ "type": "assign", "droplet_id": self.own });
                Step::Ask(Ask::post(
                    format!("/reserved_ips/{}/actions", self.ip),
                    body,
                ))
            }
        }
    }

    fn action(&mut self, reply: &Reply<'_>) -> Step {
        let status = reply.at("/action/status").and_then(Value::as_str);
        let number = reply.at("/action/id").and_then(id);
        match (status, number) {
            (Some("in-progress"), Some(number)) => {
                let path = format!("/reserved_ips/{}/actions/{number}", self.ip);
                Step::Poll(Ask::get(Base::Api, path))
            }
            (Some("completed"), _) => Step::Ask(self.address(true)),
            (Some("errored"), _) => Step::Again("an action of the API failed".into()),
            _ => Step::Again("an answer without an action".into()),
        }
    }
}

impl Procedure for DigitalOcean {
    fn begin(&mut self, task: Task) -> Option<Ask> {
        self.task = task;
        if task == Task::Release {
            return None;
        }
        Some(match self.own {
            Some(_) => self.address(false),
            None => {
                self.state = State::Identity;
                Ask::get(Base::Metadata, "/id")
            }
        })
    }

    fn take(&mut self, reply: &Reply<'_>) -> Step {
        if reply.status == 404 && matches!(self.state, State::Address { .. }) {
            return Step::Fail(format!(
                "{} is no reserved address of this account",
                self.ip
            ));
        }
        if !reply.is_good() {
            return Step::Again(reply.fault());
        }
        match self.state {
            State::Identity => {
                let text = core::str::from_utf8(reply.body).unwrap_or_default().trim();
                match text.parse() {
                    Ok(own) => {
                        self.own = Some(own);
                        Step::Ask(self.address(false))
                    }
                    Err(_) => Step::Again("metadata: the number of this droplet is none".into()),
                }
            }
            State::Address { after } => self.judge(reply, after),
            State::Action => self.action(reply),
        }
    }

    fn request(&self, ask: &Ask, deadline: Instant) -> Result<Request, String> {
        CLOUD.request(&self.api, ask, deadline)
    }

    fn secrets(&self) -> Vec<&Secret> {
        vec![&self.api.api_token]
    }
}
