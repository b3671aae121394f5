//! Which part of a MIME message is the machine configuration.

use super::mime::{self, Part};
use super::{
    Foreign, Format, Formats, MAX_DECODED, MimeError, UserData, UserDataError, format, hostname,
    include, is_nothing, judge, text,
};

/// What the type of a part says.
enum Declared {
    /// `text/x-init-net`.
    Ours,
    /// YAML of somebody.
    Yaml,
    /// What another tool is to read.
    Format(Format),
    /// Nothing of use: its beginning tells.
    Anything,
}

/// Media types that mean something. The `text/x-shellscript-per-…` are told by their beginning.
const TYPES: [(&str, Declared); 17] = [
    ("text/x-init-net", Declared::Ours),
    ("application/x-init-net", Declared::Ours),
    ("application/yaml", Declared::Yaml),
    ("application/x-yaml", Declared::Yaml),
    ("text/yaml", Declared::Yaml),
    ("text/x-yaml", Declared::Yaml),
    ("text/cloud-config", Declared::Format(Format::CloudConfig)),
    ("text/x-cloud-config", Declared::Format(Format::CloudConfig)),
    (
        "text/cloud-config-archive",
        Declared::Format(Format::CloudConfigArchive),
    ),
    (
        "text/cloud-config-jsonp",
        Declared::Format(Format::CloudConfigPatch),
    ),
    ("text/cloud-boothook", Declared::Format(Format::Boothook)),
    ("text/part-handler", Declared::Format(Format::PartHandler)),
    ("text/jinja2", Declared::Format(Format::Jinja)),
    ("text/upstart-job", Declared::Format(Format::UpstartJob)),
    ("text/x-include-url", Declared::Format(Format::Include)),
    ("text/x-include-once-url", Declared::Format(Format::Include)),
    (
        "application/vnd.coreos.ignition+json",
        Declared::Format(Format::Ignition),
    ),
];

fn declared(media_type: &str) -> &'static Declared {
    if media_type.starts_with("text/x-shellscript") {
        return &Declared::Format(Format::Script);
    }
    let known = TYPES.iter().find(|(name, _)| *name == media_type);
    known.map_or(&Declared::Anything, |(_, declared)| declared)
}

/// The first part that is a machine configuration, or leads to one. Without any: the host name of the first cloud-config, what
/// is wrong with the first part that is damaged, or what the parts are.
pub(super) fn choose(message: &[u8]) -> Result<UserData, UserDataError> {
    let parts = mime::parts(message).map_err(UserDataError::Mime)?;
    let mut left = MAX_DECODED;
    let mut foreign = Formats::default();
    let (mut cloud_config, mut fault, mut empty) = (None, None, true);
    for part in &parts {
        match look(part, &mut left) {
            Ok(Some(found @ (UserData::Config(_) | UserData::Include(_)))) => return Ok(found),
            Ok(Some(UserData::CloudConfig(hostname))) => {
                cloud_config = cloud_config
                    .flatten()
                    .or(hostname)
                    .map_or(Some(None), |h| Some(Some(h)));
            }
            Ok(Some(UserData::Absent)) => continue,
            Ok(None) => {}
            Err(UserDataError::Foreign(Foreign::Whole(format))) => foreign.insert(format),
            Err(error) => fault = fault.or(Some(error)),
        }
        empty = false;
    }
    match (cloud_config, fault) {
        (Some(hostname), _) => Ok(UserData::CloudConfig(hostname)),
        (None, Some(fault)) => Err(fault),
        (None, None) if !foreign.is_empty() => Err(UserDataError::Foreign(Foreign::Parts(foreign))),
        (None, None) if empty => Ok(UserData::Absent),
        (None, None) => Err(UserDataError::Mime(MimeError::NoConfig)),
    }
}

/// What a part is; `None`: nothing that anybody here knows. `left` is how many bytes may still be decoded.
fn look(part: &Part<'_>, left: &mut usize) -> Result<Option<UserData>, UserDataError> {
    let declared = declared(&part.media_type);
    // Programs are not even decoded.
    if let Declared::Format(format) = declared
        && !matches!(format, Format::CloudConfig | Format::Include)
    {
        return Err(UserDataError::Foreign(Foreign::Whole(*format)));
    }
    let bytes = part.decoded(*left)?;
    *left = left.saturating_sub(bytes.len());
    if is_nothing(&bytes) {
        return Ok(Some(UserData::Absent));
    }
    match declared {
        Declared::Ours => text(&bytes).map(|text| Some(UserData::Config(text.to_owned()))),
        Declared::Yaml => text(&bytes).and_then(judge).map(Some),
        Declared::Format(Format::Include) => text(&bytes)
            .and_then(include)
            .map(UserData::Include)
            .map(Some),
        Declared::Format(_) => text(&bytes).map(|text| Some(UserData::CloudConfig(hostname(text)))),
        // A picture, a note: what is not text is not for us.
        Declared::Anything => match text(&bytes) {
            Ok(text) if format::of(text).is_some() || format::looks_like_ours(text) => {
                judge(text).map(Some)
            }
            Ok(_) | Err(_) => Ok(None),
        },
    }
}
