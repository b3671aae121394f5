//! `--online HOST:PORT`: can a connection be made?

use super::finding::Finding;
use super::probe::OnlineAnswer;
use super::scene::Scene;

pub fn fine(scene: &Scene) -> String {
    match &scene.answers.online {
        Some((target, _)) => format!("{target} takes connections"),
        None => "not asked (--online HOST:PORT)".into(),
    }
}

pub fn judge(scene: &Scene) -> Vec<Finding> {
    let finding = scene.answers.online.as_ref().and_then(|(target, answer)| {
        let id = target.as_str();
        Some(match answer {
            OnlineAnswer::Connected => return None,
            OnlineAnswer::NoName => {
                Finding::error(id, "its name has no address, or no server knows it")
                    .why("every name server of /etc/resolv.conf was asked for A and AAAA")
                    .fix("is the name right? see dns")
            }
            OnlineAnswer::Refused => Finding::error(id, "the connection is refused")
                .why("the host is there: nothing listens on the port, or a firewall rejects it")
                .fix("is the port right, and its service up?"),
            OnlineAnswer::Failed(error) => Finding::error(id, format!("no connection: {error}"))
                .why("the first packet had no answer, or no way")
                .fix("see routes; a firewall on the way?"),
        })
    });
    finding.into_iter().collect()
}
