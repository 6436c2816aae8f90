import Logging
import MailQueue
import SMTP

/// Where the sending side learns how domains want their hosts to be known.
package struct PublishedPolicies: Sendable {
    package let dane: DANELookup
    /// `nil` where MTA-STS is switched off.
    package let sts: STSPolicies?

    package init(dane: DANELookup, sts: STSPolicies?) {
        self.dane = dane
        self.sts = sts
    }
}

/// What connections of one delivery have to come up to: what the route says, and more where the domain has published it.
///
/// DANE goes first, and a pass of MTA-STS never makes up for its failure (RFC 8461 section 2).
struct DeliverySecurity {
    private let route: RouteTLS?
    private let policy: TLSPolicy
    private let published: PublishedPolicies
    private let destination: Destination
    private let logger: Logger
    /// The domain's MTA-STS policy, once it was asked for.
    private var sts: STSPolicies.Answer?

    init(_ route: RouteTLS?, _ published: PublishedPolicies, _ destination: Destination, logger: Logger) {
        self.route = route
        self.policy = route?.policy(for: destination) ?? .none
        self.published = published
        self.destination = destination
        self.logger = logger
    }

    /// What a connection to a host has to come up to.
    ///
    /// - Throws: `TransportFailure` where the host is not to be used.
    mutating func requirement(for hop: NextHop) async throws(TransportFailure) -> HopTLS {
        switch self.policy {
        case .none: return .none
        case .verify:
            let names = self.route?.names ?? []
            return .verify(names: names.isEmpty ? [HopTLS.name(of: hop)] : names)
        case .may, .encrypt, .dane: break
        }
        switch await self.published.dane.associations(of: hop) {
        case .found(let associations): return .dane(associations)
        case .unavailable(let why):
            self.logger.warning("no answer about TLSA records", metadata: ["host": "\(hop.host)", "error": "\(why)"])
            throw Self.unusable(hop, "the DNS does not say whether there are TLSA records")
        case .unusable where self.policy != .dane: return .encrypt
        case .none where self.policy != .dane: return try await self.withoutDANE(hop)
        case .unusable, .none: throw Self.unusable(hop, "DANE is required, and no signed zone has TLSA records of it")
        }
    }

    private mutating func withoutDANE(_ hop: NextHop) async throws(TransportFailure) -> HopTLS {
        let least: HopTLS = self.policy == .encrypt ? .encrypt : .may
        // A route with a next hop of its own is no matter of the recipient's domain.
        guard let sts = self.published.sts, !self.destination.domain.isEmpty else { return least }
        let answer = if let known = self.sts { known } else { await sts.policy(for: self.destination.domain) }
        self.sts = answer
        switch answer {
        case .none: return least
        case .unavailable(let why):
            self.logger.warning(
                "no answer about the MTA-STS policy",
                metadata: ["destination": "\(self.destination)", "error": "\(why)"]
            )
            throw Self.unusable(hop, "it is not known whether \(self.destination.domain) has an MTA-STS policy")
        case .policy(let policy):
            let isListed = policy.allows(hop.host)
            guard policy.mode == .enforce else {
                if !isListed {
                    self.logger.info(
                        "MTA-STS policy in testing mode does not list the host",
                        metadata: ["host": "\(hop.host)", "destination": "\(self.destination)"]
                    )
                }
                return least
            }
            guard isListed else {
                throw Self.unusable(hop, "the MTA-STS policy of \(self.destination.domain) does not list this host")
            }
            return .mtaSTS
        }
    }

    /// A cryptographic failure (RFC 3463: X.7.5).
    ///
    /// The destination is not in trouble: another host may be right.
    private static func unusable(_ hop: NextHop, _ what: String) -> TransportFailure {
        TransportFailure(
            reply: Reply(451, .init(7, 5), "\(hop.host): \(what)"),
            host: nil,
            isDestinationTrouble: false
        )
    }
}
