//! What the metadata of a platform becomes, without a network.

use init_net::config::platform::PLATFORMS;
use tests::golden;

use crate::fixture::{Fixture, has_service};

#[test]
fn goldens() {
    let files = Fixture::all().into_iter().flat_map(|fixture| {
        let ran = fixture.compile_folder(&fixture.metadata());
        [
            (fixture.folder.join("desired.yaml"), ran.desired),
            (fixture.folder.join("check.txt"), ran.check),
        ]
    });
    golden::compare(files);
}

#[test]
fn every_platform_that_is_read_has_fixtures() {
    let missing = |fixtures: &[Fixture],
                   wanted: fn(&init_net::config::platform::Platform) -> bool| {
        let has = |name: &str| fixtures.iter().any(|f| f.provider.name() == name);
        let wanted = PLATFORMS.iter().filter(|platform| wanted(platform));
        let names = wanted.map(|platform| platform.name);
        names.filter(|name| !has(name)).collect::<Vec<_>>()
    };
    let all = missing(&Fixture::all(), |platform| platform.provider.is_some());
    assert!(all.is_empty(), "without a fixture: {all:?}");
    let services = missing(&Fixture::of_services(), |platform| {
        platform.provider.is_some_and(has_service)
    });
    assert!(
        services.is_empty(),
        "without a fixture of the service: {services:?}"
    );
}
