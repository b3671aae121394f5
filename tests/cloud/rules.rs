//! What the services insist on, from their documentation.

use qemu::peer::metadata::{Builder, MetadataServer};

use crate::fixture::Fixture;

/// The mock of the fixture's service.
pub fn service(fixture: &Fixture) -> Builder {
    let service = MetadataServer::of(fixture.metadata());
    let has = |path: &str| fixture.metadata().join(path).is_file();
    match fixture.provider.name() {
        // docs.aws.amazon.com/AWSEC2, "Use the Instance Metadata Service": version 2 alone.
        "aws" if has("latest/api/token") => service.tokens(
            "/latest/api/token",
            "x-aws-ec2-metadata-token-ttl-seconds",
            "x-aws-ec2-metadata-token",
        ),
        // learn.microsoft.com, "Azure Instance Metadata Service".
        "azure" => service.requires("/metadata/", "metadata", Some("true")),
        // cloud.google.com/compute/docs/metadata, "Querying metadata".
        "gcp" => service.requires("/computeMetadata/", "metadata-flavor", Some("Google")),
        // docs.oracle.com, "Getting Instance Metadata": version 2 alone.
        "oracle" => service.requires("/opc/v2/", "authorization", Some("Bearer Oracle")),
        // techdocs.akamai.com, "Metadata Service API".
        "akamai" if has("v1/token") => service.tokens(
            "/v1/token",
            "metadata-token-expiry-seconds",
            "metadata-token",
        ),
        // alibabacloud.com/help, "Instance metadata", hardened mode.
        "alibabacloud" if has("latest/api/token") => service.tokens(
            "/latest/api/token",
            "x-aliyun-ecs-metadata-token-ttl-seconds",
            "x-aliyun-ecs-metadata-token",
        ),
        // scaleway.com/docs, "user data": only the privileged may read it.
        "scaleway" => service.low_port("/user_data"),
        _ => service,
    }
}

/// Whether the service gives out tokens.
pub fn has_tokens(fixture: &Fixture) -> bool {
    let has = |path: &str| fixture.metadata().join(path).is_file();
    match fixture.provider.name() {
        "aws" | "alibabacloud" => has("latest/api/token"),
        "akamai" => has("v1/token"),
        _ => false,
    }
}
