//! Types of ICMP messages by the names of nft(8).

use super::named::named;

named! {
    /// ICMP (IANA, "ICMP Type Numbers").
    pub enum IcmpName: u8 {
        /// RFC 792.
        EchoReply = 0 "echo-reply",
        /// RFC 792.
        DestinationUnreachable = 3 "destination-unreachable",
        /// RFC 792, RFC 6633.
        SourceQuench = 4 "source-quench",
        /// RFC 792.
        Redirect = 5 "redirect",
        /// RFC 792.
        EchoRequest = 8 "echo-request",
        /// RFC 1256.
        RouterAdvertisement = 9 "router-advertisement",
        /// RFC 1256.
        RouterSolicitation = 10 "router-solicitation",
        /// RFC 792.
        TimeExceeded = 11 "time-exceeded",
        /// RFC 792.
        ParameterProblem = 12 "parameter-problem",
        /// RFC 792.
        TimestampRequest = 13 "timestamp-request",
        /// RFC 792.
        TimestampReply = 14 "timestamp-reply",
        /// RFC 792.
        InfoRequest = 15 "info-request",
        /// RFC 792.
        InfoReply = 16 "info-reply",
        /// RFC 950.
        AddressMaskRequest = 17 "address-mask-request",
        /// RFC 950.
        AddressMaskReply = 18 "address-mask-reply",
    }
}

named! {
    /// ICMPv6 (IANA, "ICMPv6 Parameters").
    pub enum Icmpv6Name: u8 {
        /// RFC 4443 §3.1.
        DestinationUnreachable = 1 "destination-unreachable",
        /// RFC 4443 §3.2.
        PacketTooBig = 2 "packet-too-big",
        /// RFC 4443 §3.3.
        TimeExceeded = 3 "time-exceeded",
        /// RFC 4443 §3.4.
        ParameterProblem = 4 "parameter-problem",
        /// RFC 4443 §4.1.
        EchoRequest = 128 "echo-request",
        /// RFC 4443 §4.2.
        EchoReply = 129 "echo-reply",
        /// RFC 2710 §3.
        MldListenerQuery = 130 "mld-listener-query",
        /// RFC 2710 §3.
        MldListenerReport = 131 "mld-listener-report",
        /// RFC 2710 §3.
        MldListenerDone = 132 "mld-listener-done",
        /// RFC 4861 §4.1.
        NdRouterSolicit = 133 "nd-router-solicit",
        /// RFC 4861 §4.2.
        NdRouterAdvert = 134 "nd-router-advert",
        /// RFC 4861 §4.3.
        NdNeighborSolicit = 135 "nd-neighbor-solicit",
        /// RFC 4861 §4.4.
        NdNeighborAdvert = 136 "nd-neighbor-advert",
        /// RFC 4861 §4.5.
        NdRedirect = 137 "nd-redirect",
        /// RFC 2894.
        RouterRenumbering = 138 "router-renumbering",
        /// RFC 3122 §2.1.
        IndNeighborSolicit = 141 "ind-neighbor-solicit",
        /// RFC 3122 §2.2.
        IndNeighborAdvert = 142 "ind-neighbor-advert",
        /// RFC 3810 §5.2.
        Mld2ListenerReport = 143 "mld2-listener-report",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_a_number_in_each_family() {
        let number = |name: &str| {
            let (v4, v6) = (name.parse::<IcmpName>(), name.parse::<Icmpv6Name>());
            (
                v4.ok().map(IcmpName::number),
                v6.ok().map(Icmpv6Name::number),
            )
        };
        assert_eq!(number("echo-request"), (Some(8), Some(128)));
        assert_eq!(number("packet-too-big"), (None, Some(2)));
        assert_eq!(number("redirect"), (Some(5), None));
    }
}
