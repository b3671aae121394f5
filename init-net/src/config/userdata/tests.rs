//! Every layer, every format, and what damage does to them.

use proptest::prelude::*;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as STANDARD;

use super::layers::{GZIP, ZSTD};
use super::*;

/// `printf 'kind: X\n' | gzip -n`
const GZIPPED: &str = "H4sIAAAAAAAAA8vOzEuxUojgAgByta2dCAAAAA==";
/// `printf 'kind: X\n' | zstd`
const ZSTDED: &str = "KLUv/QRYQQAAa2luZDogWApO5XKh";

fn bytes(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}

#[track_caller]
fn check(raw: &[u8], base64: Base64, expect: Result<&str, UserDataError>) {
    let found = decode(raw, base64).map(|data| match data {
        UserData::Config(text) => text,
        other => format!("{other:?}"),
    });
    assert_eq!(found, expect.map(str::to_owned));
}

#[test]
fn layers() {
    use Base64::*;
    check(b"kind: X\n", Never, Ok("kind: X\n"));
    check(b"\xef\xbb\xbfkind: X\n", Never, Ok("kind: X\n"));
    check(&bytes(GZIPPED), Never, Ok("kind: X\n"));
    check(&bytes(ZSTDED), Never, Ok("kind: X\n"));
    check(GZIPPED.as_bytes(), Always, Ok("kind: X\n"));
    check(ZSTDED.as_bytes(), Maybe, Ok("kind: X\n"));
    check(b"a2luZDog\nWAo=\n", Maybe, Ok("kind: X\n"));
    check(b"a2luZDogWAo", Always, Ok("kind: X\n"));
    check(b"kind: X\n", Maybe, Ok("kind: X\n"));
    check(b"word", Maybe, Ok("word"));
    check(b"kind: X\n", Always, Err(UserDataError::Base64));
    check(b"", Never, Ok("Absent"));
    check(b"\0\0\0", Always, Ok("Absent"));
    check(b"a: \xff", Never, Err(UserDataError::Encoding));
}

#[test]
fn damage() {
    let whole = bytes(GZIPPED);
    for end in 2..whole.len() {
        check(
            &whole[..end],
            Base64::Never,
            Err(UserDataError::Compression),
        );
    }
    let mut wrong_crc = whole.clone();
    wrong_crc[whole.len() - 8] ^= 1;
    check(&wrong_crc, Base64::Never, Err(UserDataError::Compression));
    let whole = bytes(ZSTDED);
    for end in 4..whole.len() - 4 {
        check(
            &whole[..end],
            Base64::Never,
            Err(UserDataError::Compression),
        );
    }
}

#[test]
fn bombs() {
    let zeros = vec![b'x'; MAX_DECODED + 1];
    let deflated = miniz_oxide::deflate::compress_to_vec(&zeros, 6);
    let mut bomb = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0];
    bomb.extend(deflated);
    bomb.extend([0; 8]);
    check(&bomb, Base64::Never, Err(UserDataError::TooLarge));
    let bomb = ruzstd::encoding::compress_to_vec(
        zeros.as_slice(),
        ruzstd::encoding::CompressionLevel::Fastest,
    );
    check(&bomb, Base64::Never, Err(UserDataError::TooLarge));
    check(&zeros, Base64::Never, Err(UserDataError::TooLarge));
}

#[track_caller]
fn refused(text: &str, format: Format) {
    let error = UserDataError::Foreign(Foreign::Whole(format));
    check(text.as_bytes(), Base64::Never, Err(error));
}

#[test]
fn formats_of_other_tools_are_refused_by_name() {
    refused("#!/bin/sh\nreboot\n", Format::Script);
    refused("\n#!/bin/sh\n", Format::Script);
    refused("#cloud-boothook\necho\n", Format::Boothook);
    refused("#part-handler\n", Format::PartHandler);
    refused("## template: jinja\n#cloud-config\n", Format::Jinja);
    refused("#cloud-config-archive\n- a\n", Format::CloudConfigArchive);
    refused("#cloud-config-jsonp\n[]\n", Format::CloudConfigPatch);
    refused("#upstart-job\n", Format::UpstartJob);
    refused("{\"ignition\": {\"version\": \"3.4.0\"}}", Format::Ignition);
    refused(
        "\n {\"storage\": {}, \"ignition\": {\"version\": \"\"}}",
        Format::Ignition,
    );
    let shown = |format| UserDataError::Foreign(Foreign::Whole(format)).to_string();
    assert_eq!(
        shown(Format::Script),
        "a script (#!) is not run here; give YAML documents with kind"
    );
    assert_eq!(
        shown(Format::Ignition),
        "an Ignition configuration is not applied here; give YAML documents with kind"
    );
}

#[test]
fn what_only_looks_like_another_format_is_ours() {
    for text in [
        "# a comment\nkind: X\n",
        "#includes nothing\nkind: X\n",
        "#cloud-configuration\nkind: X\n",
        "{\"kind\": \"ignition\"}",
        "{\"kind\": \"X\", \"a\": {\"ignition\": {}}}",
    ] {
        check(text.as_bytes(), Base64::Never, Ok(text));
    }
}

#[test]
fn a_cloud_config_gives_its_host_name() {
    let check = |text: &str, expect| check(text.as_bytes(), Base64::Never, Ok(expect));
    check(
        "#cloud-config\nfqdn: a.b\n",
        "CloudConfig(Some(Hostname { name: \"a\", domain: Some(\"b\") }))",
    );
    check("#cloud-config\nhostname: [1]\n", "CloudConfig(None)");
    check("#cloud-config\nhostname: \"a\\nb\"\n", "CloudConfig(None)");
    check("#cloud-config", "CloudConfig(None)");
}

#[track_caller]
fn check_include(text: &str, expect: Result<&str, IncludeError>) {
    let expect = expect
        .map(|url| UserData::Include(url.to_owned()))
        .map_err(UserDataError::Include);
    assert_eq!(decode(text.as_bytes(), Base64::Never), expect);
}

#[test]
fn an_include_names_one_url() {
    use IncludeError::*;
    check_include("#include\nhttp://192.0.2.1/c\n", Ok("http://192.0.2.1/c"));
    check_include(
        "#include-once\r\n\r\n# mine\r\nHTTPS://h/c?a=b\r\n",
        Ok("HTTPS://h/c?a=b"),
    );
    check_include("#include https://h/c", Ok("https://h/c"));
    check_include("#include\n# nothing\n\n", Err(Nothing));
    check_include("#include\nhttp://h/1\nhttp://h/2\n", Err(Several));
    check_include("#include http://h/1\nhttp://h/2\n", Err(Several));
    check_include("#include\nfile:///etc/shadow\n", Err(NoUrl));
    check_include("#include\n/etc/shadow\n", Err(NoUrl));
    check_include("#include\nhttp://h/a b\n", Err(NoUrl));
    check_include(
        &format!("#include\nhttp://h/{}", "x".repeat(MAX_URL)),
        Err(NoUrl),
    );
}

#[test]
fn members_of_gzip_are_joined() {
    let one = bytes(GZIPPED);
    let two = [&one[..], &one[..], &[0; 512]].concat();
    check(&two, Base64::Never, Ok("kind: X\nkind: X\n"));
    let garbage = [&one[..], b"garbage"].concat();
    check(&garbage, Base64::Never, Err(UserDataError::Compression));
    let cut = [&one[..], &one[..one.len() - 1]].concat();
    check(&cut, Base64::Never, Err(UserDataError::Compression));
}

#[test]
fn layers_are_counted() {
    let mut wrapped = b"kind: X\n".to_vec();
    for layers in 1..=4 {
        wrapped = gzip(&wrapped);
        let expect = match layers {
            1..=3 => Ok("kind: X\n"),
            _ => Err(UserDataError::TooManyLayers),
        };
        check(&wrapped, Base64::Never, expect);
    }
    let base64 = STANDARD.encode(gzip(b"\xef\xbb\xbfkind: X\n"));
    check(base64.as_bytes(), Base64::Always, Ok("kind: X\n"));
}

/// A gzip stream that is right.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0];
    stream.extend(miniz_oxide::deflate::compress_to_vec(bytes, 6));
    stream.extend(layers::crc32(bytes).to_le_bytes());
    stream.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
    stream
}

/// A message of these parts: their fields, and what is in them.
fn message(parts: &[(&str, &str)]) -> Vec<u8> {
    let mut text =
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n boundary=\"=b 1\"\r\n\r\n\
                    for people\r\n"
            .to_owned();
    for (fields, body) in parts {
        text.push_str(&format!("--=b 1\r\n{fields}\r\n\r\n{body}\r\n"));
    }
    text.push_str("--=b 1--\r\nkind: Epilogue\r\n");
    text.into_bytes()
}

const TEXT: &str = "Content-Type: text/plain; charset=utf-8";
const CLOUD: (&str, &str) = ("Content-Type: text/cloud-config", "hostname: box");
const SHELL: (&str, &str) = (
    "Content-Type: text/x-shellscript; charset=\"us-ascii\"",
    "#!/bin/sh",
);

#[test]
fn the_first_part_that_is_a_configuration_is_taken() {
    let fine = |parts: &[(&str, &str)]| check(&message(parts), Base64::Never, Ok("kind: X"));
    fine(&[(TEXT, "kind: X"), (TEXT, "kind: Y")]);
    fine(&[CLOUD, SHELL, (TEXT, "just a note"), (TEXT, "kind: X")]);
    fine(&[("Content-Type: application/octet-stream", "kind: X")]);
    fine(&[("X-Note: no type", "kind: X")]);
    fine(&[("Content-Type: image/png", "\0\u{1}"), (TEXT, "kind: X")]);
    let ours = "content-TYPE:\r\n\tText/X-Init-Net";
    check(
        &message(&[CLOUD, (ours, "a: b")]),
        Base64::Never,
        Ok("a: b"),
    );
    let yaml = "Content-Type: application/yaml";
    check(
        &message(&[(yaml, "#cloud-config\na: b"), (yaml, "a: b")]),
        Base64::Never,
        Ok("a: b"),
    );
    check(
        &message(&[(TEXT, "{\"machine\": {}}")]),
        Base64::Never,
        Ok("{\"machine\": {}}"),
    );
    let include = ("Content-Type: text/x-include-url", "http://h/c");
    check(&message(&[CLOUD, include]), Base64::Never, Ok("Include"));
}

#[test]
fn parts_have_encodings_and_may_be_compressed() {
    let encoded = |encoding: &str, body: &str| {
        let fields = format!("{TEXT}\r\nContent-Transfer-Encoding: {encoding}");
        message(&[(&fields, body)])
    };
    let fine = |message: &[u8]| check(message, Base64::Never, Ok("kind: X\n"));
    fine(&encoded("base64", "a2luZDog\r\nWAo="));
    fine(&encoded("BASE64", GZIPPED));
    fine(&encoded("base64", ZSTDED));
    fine(&encoded("quoted-printable", "kind=\r\n: =58=0a"));
    fine(&encoded("quoted-printable", "=6Bin=64: X=0A=  \r\n"));
    fine(&encoded("8bit", "kind: X\n"));
    let error = UserDataError::Base64;
    check(&encoded("base64", "%"), Base64::Never, Err(error));
    let error = UserDataError::Mime(MimeError::TransferEncoding);
    check(&encoded("uuencode", "kind: X"), Base64::Never, Err(error));
    let mut binary = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\n".to_vec();
    binary.extend(bytes(GZIPPED));
    binary.extend(b"\n--b--\n");
    fine(&binary);
    fine(&gzip(&binary));
    check(
        STANDARD.encode(gzip(&binary)).as_bytes(),
        Base64::Maybe,
        Ok("kind: X\n"),
    );
}

#[test]
fn messages_in_messages() {
    let inner = "Content-Type: multipart/mixed; boundary=inner";
    let body = "--inner\r\n\r\nkind: X\r\n--inner--";
    check(&message(&[(inner, body)]), Base64::Never, Ok("kind: X"));
    let deeper =
        format!("--inner\r\nContent-Type: multipart/mixed; boundary=i2\r\n\r\n{body}\r\n--inner--");
    let error = UserDataError::Mime(MimeError::TooDeep);
    check(&message(&[(inner, &deeper)]), Base64::Never, Err(error));
    check(
        b"Content-Type: text/x-init-net\n\nkind: X\n",
        Base64::Never,
        Ok("kind: X\n"),
    );
    check(
        b"mime-version: 1.0\ncontent-type: text/cloud-config\n\nhostname: a\n",
        Base64::Never,
        Ok("CloudConfig(Some(Hostname { name: \"a\", domain: None }))"),
    );
}

#[test]
fn a_message_without_a_configuration_says_what_it_has() {
    let found = |parts: &[(&str, &str)]| decode(&message(parts), Base64::Never);
    let host = UserData::CloudConfig(Some("box".parse().unwrap()));
    assert_eq!(found(&[SHELL, CLOUD]), Ok(host.clone()));
    let nameless = ("Content-Type: text/cloud-config", "a: b");
    assert_eq!(found(&[nameless, CLOUD, nameless]), Ok(host));
    let error = found(&[
        SHELL,
        ("Content-Type: text/part-handler", "x"),
        (TEXT, "#!/bin/sh"),
    ])
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "of its parts none is a machine configuration (script, part-handler); add one of type \
         text/x-init-net with YAML documents"
    );
    assert_eq!(
        found(&[(TEXT, "a note")]),
        Err(UserDataError::Mime(MimeError::NoConfig))
    );
    assert_eq!(found(&[(TEXT, ""), (TEXT, " ")]), Ok(UserData::Absent));
    assert_eq!(found(&[]), Ok(UserData::Absent));
    let several = ("Content-Type: text/x-include-url", "http://h/1\nhttp://h/2");
    assert_eq!(
        found(&[several]),
        Err(UserDataError::Include(IncludeError::Several))
    );
}

#[test]
fn broken_messages() {
    let check = |text: &str, error| {
        check(
            text.as_bytes(),
            Base64::Never,
            Err(UserDataError::Mime(error)),
        )
    };
    check(
        "Content-Type: multipart/mixed\n\n--b\n\nkind: X\n",
        MimeError::Boundary,
    );
    check(
        "Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nkind: X\n",
        MimeError::Boundary,
    );
    let long = "b".repeat(71);
    check(
        &format!("Content-Type: multipart/mixed; boundary={long}\n\n--{long}\n\nkind: X\n"),
        MimeError::Boundary,
    );
    let many = vec![(TEXT, "a note"); 65];
    let many = String::from_utf8(message(&many)).unwrap();
    check(&many, MimeError::TooManyParts);
}

#[test]
fn a_message_that_is_cut_gives_what_it_has() {
    let whole =
        b"Content-Type: multipart/mixed; a=\"x;boundary=y\"; Boundary=b\n\n--b\n\nkind: X\n";
    check(whole, Base64::Never, Ok("kind: X"));
}

#[test]
fn parts_share_one_limit() {
    let most = "x".repeat(MAX_DECODED / 2);
    let zipped = STANDARD.encode(gzip(most.as_bytes()));
    let fields = format!("{TEXT}\r\nContent-Transfer-Encoding: base64");
    let part = (fields.as_str(), zipped.as_str());
    let error = UserDataError::Mime(MimeError::NoConfig);
    check(&message(&[part, part]), Base64::Never, Err(error));
    check(
        &message(&[part, part, part]),
        Base64::Never,
        Err(UserDataError::TooLarge),
    );
}

#[test]
fn inline() {
    assert_eq!(
        decode_inline(ZSTDED),
        Ok(UserData::Config("kind: X\n".into()))
    );
    assert_eq!(decode_inline("!"), Err(UserDataError::Base64));
}

proptest! {
    #[test]
    fn garbage_never_panics(
        bytes: Vec<u8>,
        magic in prop::sample::select(vec![
            &b""[..], &GZIP, &ZSTD, b"#include\n", b"{\"ignition\":",
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\n",
            b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Transfer-Encoding: quoted-printable\n\n",
            b"MIME-Version: 1.0\nContent-Type: ",
        ]),
    ) {
        let raw = [magic, &bytes].concat();
        for base64 in [Base64::Never, Base64::Maybe, Base64::Always] {
            if let Err(error) = decode(&raw, base64) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }

    #[test]
    fn near_messages_never_panic(at in 0usize..220, byte: u8, end in 0usize..300) {
        let mut message = message(&[CLOUD, (TEXT, "kind: X")]);
        if let Some(place) = message.get_mut(at) {
            *place = byte;
        }
        message.truncate(end);
        let _ = decode(&message, Base64::Maybe);
    }
}
