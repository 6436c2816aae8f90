import Logging
import MailQueue
import SMTP
import TransportSecurity

/// What connections of one delivery have to come up to: what the route says, and more where the domain has published it.
///
/// DANE goes first, and a pass of MTA-STS never makes up for its failure (RFC 8461 section 2).
struct DeliverySecurity {
    private let route: RouteTLS?
    private let policy: TLSPolicy
    private let published: PublishedPolicies
    private let destination: Destination
    /// Whether mail ends at the hosts: LMTP.
    private let isLast: Bool
    private let logger: Logger
    /// The domain's MTA-STS policy, once it was asked for.
    private var sts: STSPolicies.Answer?
    /// What was found for the present host, for reports.
    private var finding = Finding()

    private struct Finding {
        var policy = TLSResult.Policy.none
        var failure: TLSResult.Failure?
        var reason = ""
    }

    init(
        _ settings: SMTPTransport.Settings,
        _ published: PublishedPolicies,
        _ destination: Destination,
        logger: Logger
    ) {
        let route = settings.tls
        self.route = route
        self.isLast = settings.dialect == .lmtp
        self.policy = route?.policy(for: destination) ?? .none
        self.published = published
        self.destination = destination
        self.logger = logger
    }

    /// What a connection to a host has to come up to.
    ///
    /// - Throws: `TransportFailure` where the host is not to be used.
    mutating func requirement(for hop: NextHop) async throws(TransportFailure) -> HopTLS {
        self.finding = Finding()
        if self.needsPromise(of: hop) { return try await self.strict(hop) }
        // What the recipient's domain asks for is left aside (RFC 8689 section 4.2.2), what the route says is not.
        if self.destination.tls == .optional, self.policy == .may || self.policy == .encrypt { return self.least }
        switch self.policy {
        case .none: return .none
        case .verify: return .verify(names: self.names(of: hop))
        case .may, .encrypt, .dane: break
        }
        switch try await self.associations(of: hop) {
        case .found(let associations): return .dane(associations)
        case .unusable where self.policy != .dane:
            // They vouch for nobody, but the domain wants encryption (RFC 7672 section 2.2); its other policy still holds.
            let other = try await self.withoutDANE(hop)
            return other.isMandatory ? other : .encrypt
        case .none where self.policy != .dane: return try await self.withoutDANE(hop)
        case .unusable, .none, .unavailable:
            self.found(.daneRequired, "no TLSA records")
            throw Self.unusable(hop, "DANE is required, and no signed zone has TLSA records of it")
        }
    }

    /// Whether the server has to offer REQUIRETLS: the sender wants it, and mail goes on from there or leaves the machine.
    func needsPromise(of hop: NextHop) -> Bool {
        guard self.destination.tls == .required else { return false }
        guard self.isLast else { return true }
        return switch hop.address {
        case .unixSocket: false
        case .ip(let address, _): !address.isLoopback
        }
    }

    /// For mail with REQUIRETLS: the host is known by DNSSEC, MTA-STS or the route, and verified (RFC 8689 section 4.2.1).
    private mutating func strict(_ hop: NextHop) async throws(TransportFailure) -> HopTLS {
        guard self.policy != .none else { throw Self.unprotected(hop, "the route has no TLS") }
        if self.policy != .verify, case .found(let associations) = try await self.associations(of: hop) {
            return .dane(associations)
        }
        guard self.policy != .dane else { throw Self.unprotected(hop, "it has no TLSA records") }
        guard !self.destination.domain.isEmpty else { return .verify(names: self.names(of: hop)) }
        if let policy = try await self.stsPolicy(for: hop) {
            if policy.allows(hop.host) { return .mtaSTS }
            if policy.mode == .enforce { throw Self.unprotected(hop, "the domain's MTA-STS policy does not list it") }
        }
        guard hop.secure != nil else { throw Self.unprotected(hop, "neither DNSSEC nor MTA-STS vouches for it") }
        return .verify(names: [HopTLS.name(of: hop)])
    }

    private var least: HopTLS { self.policy == .encrypt ? .encrypt : .may }

    private func names(of hop: NextHop) -> [String] {
        let names = self.route?.names ?? []
        return names.isEmpty ? [HopTLS.name(of: hop)] : names
    }

    private mutating func associations(of hop: NextHop) async throws(TransportFailure) -> DANELookup.Answer {
        let answer = await self.published.dane.associations(of: hop)
        switch answer {
        case .found(let associations): self.finding.policy = .tlsa(associations.records)
        case .unusable:
            self.finding.policy = .tlsa([])
            self.found(.tlsaInvalid, "no usable TLSA record")
        case .unavailable:
            self.finding.policy = .tlsa([])
            self.found(.dnssecInvalid, "no answer about TLSA records")
        case .none: break
        }
        guard case .unavailable(let why) = answer else { return answer }
        self.logger.warning("no answer about TLSA records", metadata: ["host": "\(hop.host)", "error": "\(why)"])
        throw Self.unusable(hop, "the DNS does not say whether there are TLSA records")
    }

    private mutating func withoutDANE(_ hop: NextHop) async throws(TransportFailure) -> HopTLS {
        guard let policy = try await self.stsPolicy(for: hop) else { return self.least }
        let isListed = policy.allows(hop.host)
        guard policy.mode == .enforce else {
            if !isListed {
                self.found(.validationFailure, "the host is not in the policy")
                self.logger.info(
                    "MTA-STS policy in testing mode does not list the host",
                    metadata: ["host": "\(hop.host)", "destination": "\(self.destination)"]
                )
            }
            return self.least
        }
        guard isListed else {
            self.found(.validationFailure, "the host is not in the policy")
            throw Self.unusable(hop, "the MTA-STS policy of \(self.destination.domain) does not list this host")
        }
        return .mtaSTS
    }

    /// The MTA-STS policy of the recipient's domain; `nil` where it has none.
    private mutating func stsPolicy(for hop: NextHop) async throws(TransportFailure) -> STSPolicy? {
        // A route with a next hop of its own is no matter of the recipient's domain.
        guard let sts = self.published.sts, !self.destination.domain.isEmpty else { return nil }
        let answer = if let known = self.sts { known } else { await sts.policy(for: self.destination.domain) }
        self.sts = answer
        switch answer {
        case .none: return nil
        case .failed(let failure):
            if self.finding.failure == nil { self.found(failure, "") }
            return nil
        case .policy(let policy):
            // What is wrong with the TLSA records is not this policy's (RFC 8460 section 4.3.2.1).
            self.reportUnused(hop)
            self.finding = Finding()
            self.finding.policy = .sts(policy)
            return policy
        case .unavailable(let why):
            self.logger.warning(
                "no answer about the MTA-STS policy",
                metadata: ["destination": "\(self.destination)", "error": "\(why)"]
            )
            throw Self.unusable(hop, "it is not known whether \(self.destination.domain) has an MTA-STS policy")
        }
    }

    private mutating func found(_ failure: TLSResult.Failure, _ reason: String) {
        self.finding.failure = failure
        self.finding.reason = reason
    }

    /// Tells who reports it how the connection to the present host came out.
    ///
    /// - Parameters:
    ///   - refusal: why there is no TLS, where there is none.
    ///   - parameters: of the connection; `nil` where there is none, or it is in the clear.
    ///   - sender: our own address of it.
    func report(
        _ hop: NextHop,
        _ refusal: TLSRefusal?,
        _ parameters: TLSParameters?,
        from sender: IPAddress? = nil
    ) {
        // Mail that does not care, reports among it, says nothing about the domain (RFC 8460 section 3).
        guard let results = self.published.results, !self.destination.domain.isEmpty, self.policy != .none,
            self.destination.tls != .optional, case .ip(let address, _) = hop.address
        else { return }
        var (failure, reason) = (self.finding.failure, self.finding.reason)
        if let refusal {
            (failure, reason) = (refusal.failure, refusal.reply.text)
        } else if failure == nil, case .sts(let policy) = self.finding.policy, policy.mode == .testing,
            case .failed(let doubt) = parameters?.verification
        {
            (failure, reason) = (TLSResult.Failure(doubt), doubt.description)
        } else if failure == nil, parameters == nil {
            (failure, reason) = (.startTLSNotSupported, "STARTTLS is not offered")
        }
        results.note(
            TLSResult(
                domain: self.destination.domain,
                policy: self.finding.policy,
                host: hop.host,
                address: "\(address)",
                sender: sender.map { "\($0)" },
                failure: failure,
                reason: reason
            )
        )
    }

    /// The host is not used for reasons that are the domain's.
    func reportUnused(_ hop: NextHop) {
        guard self.finding.failure != nil else { return }
        self.report(hop, nil, nil)
    }

    /// The server does not offer REQUIRETLS (RFC 8689 section 4.2.1).
    static func noPromise(of hop: NextHop) -> TransportFailure {
        TransportFailure(
            reply: Reply(550, .init(7, 30), "\(hop.host): REQUIRETLS support required"),
            host: hop.host,
            isDestinationTrouble: false
        )
    }

    /// The message must not go there, and may come back (RFC 8689 section 4.2.1).
    private static func unprotected(_ hop: NextHop, _ what: String) -> TransportFailure {
        TransportFailure(
            reply: Reply(550, .init(7, 10), "\(hop.host): REQUIRETLS: \(what)"),
            host: nil,
            isDestinationTrouble: false
        )
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
