//! What the metadata of a platform becomes, without a network.

use init_net::config::platform::PLATFORMS;
use tests::golden;

use crate::fixture::{Fixture, Ran};

#[test]
fn goldens() {
    let files = Fixture::all().into_iter().flat_map(|fixture| {
        let metadata = fixture.metadata();
        let ran = Ran::of(fixture.compile("--metadata-dir", metadata.to_str().unwrap()));
        // Without errors 0, with errors 1, and nothing else.
        assert!(matches!(ran.code, Some(0 | 1)), "{}: {ran:?}", fixture.name);
        [
            (fixture.folder.join("desired.yaml"), ran.desired),
            (fixture.folder.join("check.txt"), ran.check),
        ]
    });
    golden::compare(files);
}

#[test]
fn every_platform_that_is_read_has_a_fixture() {
    let fixtures = Fixture::all();
    let has = |name: &str| {
        let mut fixtures = fixtures.iter();
        fixtures.any(|fixture| fixture.provider.name() == name)
    };
    let missing: Vec<&str> = PLATFORMS
        .iter()
        .filter(|platform| platform.provider.is_some() && !has(platform.name))
        .map(|platform| platform.name)
        .collect();
    assert!(missing.is_empty(), "without a fixture: {missing:?}");
}
