//! How Azure is told that a machine has come up: without a word it counts as failed, and is stopped, after some 20
//! minutes.
//!
//! The service of the fabric is asked for its versions, then for the goal state, whose identifiers the health report
//! repeats.

use quick_xml::escape::escape;

use super::super::xml::text_at;
use super::super::{Answer, Answers, Ask, Method, Outcome};

/// The service of the fabric: the same address in every network.
const FABRIC: &str = "http://168.63.129.16";

const VERSIONS: &str = "report/versions";
const GOAL_STATE: &str = "report/goalstate";
const HEALTH: &str = "report/health";

/// Versions of the protocol: the one that is spoken, and the one that every fabric knows.
const VERSION: &str = "2015-04-05";
const OLDEST: &str = "2012-11-30";

/// Longest reason, characters.
const MAX_REASON: usize = 512;

/// The requests of the report.
pub fn asks(outcome: Outcome<'_>, answers: &Answers) -> Vec<Ask> {
    let mut asks = vec![Ask::required(VERSIONS, format!("{FABRIC}/?comp=versions"))];
    let version = match answers.get(VERSIONS) {
        Some(Answer::Body(body)) if has_version(body) => VERSION,
        Some(Answer::Body(_) | Answer::Status(_)) => OLDEST,
        Some(Answer::Unreachable) | None => return asks,
    };
    let goal_state = Ask::required(GOAL_STATE, format!("{FABRIC}/machine/?comp=goalstate"));
    asks.push(told(goal_state, version));
    if let Some(Answer::Body(body)) = answers.get(GOAL_STATE)
        && let Some(health) = health(outcome, body)
    {
        let mut ask = Ask::required(HEALTH, format!("{FABRIC}/machine/?comp=health"));
        ask.method = Method::Post;
        ask.body = Some(("text/xml;charset=utf-8", health.into_bytes()));
        asks.push(told(ask, version));
    }
    asks
}

fn told(ask: Ask, version: &str) -> Ask {
    ask.with("x-ms-agent-name", "WALinuxAgent")
        .with("x-ms-version", version)
}

fn has_version(body: &[u8]) -> bool {
    let word = format!("<Version>{VERSION}</Version>");
    core::str::from_utf8(body).is_ok_and(|text| text.contains(&word))
}

fn health(outcome: Outcome<'_>, goal_state: &[u8]) -> Option<String> {
    let goal_state = core::str::from_utf8(goal_state).ok()?;
    let at = |path: &[&str]| text_at(goal_state, path).ok().flatten();
    let incarnation = at(&["GoalState", "Incarnation"])?;
    let container = at(&["GoalState", "Container", "ContainerId"])?;
    let instance = at(&[
        "GoalState",
        "Container",
        "RoleInstanceList",
        "RoleInstance",
        "InstanceId",
    ])?;
    let state = match outcome {
        Outcome::Ready => "<State>Ready</State>".to_owned(),
        Outcome::Failed(reason) => {
            let printable = reason.chars().filter(|c| !c.is_control());
            let reason: String = printable.take(MAX_REASON).collect();
            format!(
                "<State>NotReady</State><Details><SubStatus>ProvisioningFailed</SubStatus>\
                 <Description>{}</Description></Details>",
                escape(reason.as_str())
            )
        }
    };
    Some(format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Health><GoalStateIncarnation>{}</GoalStateIncarnation>\
         <Container><ContainerId>{}</ContainerId><RoleInstanceList><Role><InstanceId>{}</InstanceId>\
         <Health>{state}</Health></Role></RoleInstanceList></Container></Health>",
        escape(incarnation.trim()),
        escape(container.trim()),
        escape(instance.trim()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATE: &[u8] = b"<?xml version='1.0'?><GoalState><Version>2012-11-30</Version>\
        <Incarnation>3</Incarnation><Machine><ExpectedState>Started</ExpectedState></Machine>\
        <Container><ContainerId>c-42</ContainerId><RoleInstanceList><RoleInstance>\
        <InstanceId>_node&amp;7</InstanceId></RoleInstance></RoleInstanceList></Container></GoalState>";

    fn body(text: &[u8]) -> Answer {
        Answer::Body(text.to_vec())
    }

    #[track_caller]
    fn last(outcome: Outcome<'_>, answers: &[(&str, Answer)]) -> Ask {
        let answers = answers.iter().cloned();
        let answers = answers
            .map(|(key, answer)| (key.to_owned(), answer))
            .collect();
        asks(outcome, &answers).pop().unwrap()
    }

    #[track_caller]
    fn header<'a>(ask: &'a Ask, name: &str) -> &'a str {
        let found = ask.headers.iter().find(|(header, _)| *header == name);
        &found.unwrap().1
    }

    #[test]
    fn a_report_in_three_steps() {
        let first = last(Outcome::Ready, &[]);
        assert_eq!(first.path, "http://168.63.129.16/?comp=versions");
        assert_eq!(
            last(Outcome::Ready, &[(VERSIONS, Answer::Unreachable)]),
            first
        );
        let versions =
            body(b"<Versions><Supported><Version>2015-04-05</Version></Supported></Versions>");
        let second = last(Outcome::Ready, &[(VERSIONS, versions.clone())]);
        assert_eq!(second.path, "http://168.63.129.16/machine/?comp=goalstate");
        assert_eq!(header(&second, "x-ms-version"), "2015-04-05");
        assert_eq!(header(&second, "x-ms-agent-name"), "WALinuxAgent");
        for old in [Answer::Status(404), body(b"<Versions/>"), body(b"\xff")] {
            let second = last(Outcome::Ready, &[(VERSIONS, old)]);
            assert_eq!(header(&second, "x-ms-version"), "2012-11-30");
        }
        let third = last(
            Outcome::Ready,
            &[(VERSIONS, versions), (GOAL_STATE, body(STATE))],
        );
        assert_eq!(third.method, Method::Post);
        assert_eq!(third.path, "http://168.63.129.16/machine/?comp=health");
        let (kind, sent) = third.body.unwrap();
        assert_eq!(kind, "text/xml;charset=utf-8");
        let sent = String::from_utf8(sent).unwrap();
        let at = |path: &[&str]| text_at(&sent, path).unwrap().unwrap();
        assert_eq!(at(&["Health", "GoalStateIncarnation"]), "3");
        assert_eq!(at(&["Health", "Container", "ContainerId"]), "c-42");
        let role = ["Health", "Container", "RoleInstanceList", "Role"];
        assert_eq!(at(&[&role[..], &["InstanceId"]].concat()), "_node&7");
        assert_eq!(at(&[&role[..], &["Health", "State"]].concat()), "Ready");
    }

    #[test]
    fn a_failure_says_why() {
        let why = format!("no <config>\n{}", "x".repeat(600));
        let ask = last(
            Outcome::Failed(&why),
            &[(VERSIONS, body(b"")), (GOAL_STATE, body(STATE))],
        );
        let sent = String::from_utf8(ask.body.unwrap().1).unwrap();
        let role = ["Health", "Container", "RoleInstanceList", "Role", "Health"];
        let at = |path: &[&str]| {
            text_at(&sent, &[&role[..], path].concat())
                .unwrap()
                .unwrap()
        };
        assert_eq!(at(&["State"]), "NotReady");
        assert_eq!(at(&["Details", "SubStatus"]), "ProvisioningFailed");
        let said = at(&["Details", "Description"]);
        assert!(said.starts_with("no <config>xxx") && said.len() == MAX_REASON);
    }

    #[test]
    fn a_hostile_goal_state_ends_the_report() {
        for state in [
            &b""[..],
            b"\xff",
            b"<GoalState>",
            b"<GoalState><Incarnation>1</Incarnation></GoalState>",
        ] {
            let ask = last(
                Outcome::Ready,
                &[(VERSIONS, body(b"")), (GOAL_STATE, body(state))],
            );
            assert_eq!(ask.key, GOAL_STATE);
        }
    }
}
