package import Logging
package import MailHubPlugin
package import MailQueue
package import SMTP

/// Finds the hosts of a domain by MX (RFC 5321 section 5.1, RFC 7505).
package struct MXResolver: NextHopResolver {
    private let resolver: any ValidatingResolver
    private let port: Int
    /// Our own names in canonical form, and our own addresses: mail is never relayed to ourselves.
    private let ownNames: Set<String>
    private let ownAddresses: Set<IPAddress>
    private let maximumAddresses: Int
    private let logger: Logger
    private let shuffle: @Sendable ([MailExchanger]) -> [MailExchanger]

    /// - Parameters:
    ///   - maximumAddresses: addresses tried in one attempt: at least 2.
    ///   - shuffle: puts hosts of equal preference in an order; by default a random one.
    package init(
        resolver: any ValidatingResolver,
        port: Int = 25,
        ownNames: Set<String>,
        ownAddresses: Set<IPAddress> = [],
        maximumAddresses: Int = 20,
        logger: Logger,
        shuffle: @escaping @Sendable ([MailExchanger]) -> [MailExchanger] = { $0.shuffled() }
    ) {
        self.resolver = resolver
        self.port = port
        self.ownNames = ownNames
        self.ownAddresses = ownAddresses
        self.maximumAddresses = max(maximumAddresses, 2)
        self.logger = logger
        self.shuffle = shuffle
    }

    package func nextHops(for destination: Destination) async throws(TransportFailure) -> [NextHop] {
        if destination.domain.hasPrefix("[") { return [try self.literal(destination.domain)] }
        let exchangers: [MailExchanger]
        let answer = await self.resolver.validatedMailExchangers(of: destination.domain)
        switch answer.lookup {
        case .unavailable(let why):
            throw self.failure(451, .init(4, 3), "DNS failure for \(destination.domain), try again later", why)
        case .notFound:
            throw self.failure(550, .init(1, 2), "The domain \(destination.domain) does not exist")
        case .found(let records):
            exchangers = try self.usable(records, of: destination.domain)
        }
        // Names of the domain that certificates of its hosts may be for; none where anybody could have named the hosts.
        let domains = answer.isSecure ? [destination.domain, answer.canonicalName].compactMap(\.self) : nil
        return try await self.addresses(of: try self.withoutOurselves(exchangers), destination.domain, secure: domains)
    }

    /// An address in brackets in place of a domain (RFC 5321 section 5.1).
    private func literal(_ text: String) throws(TransportFailure) -> NextHop {
        guard let literal = AddressLiteral(insideBrackets: text.dropFirst().dropLast()) else {
            throw self.failure(550, .init(1, 2), "Malformed address literal")
        }
        let address: IPAddress =
            switch literal {
            case .ipv4(let value): .ipv4(value)
            case .ipv6(let high, let low): .init(high: high, low: low)
            }
        guard !self.ownAddresses.contains(address) else { throw self.ourselves }
        return NextHop(host: text, address: .ip(address, port: self.port))
    }

    /// The records without those that cannot be used; the implicit MX where there are none.
    private func usable(_ records: [MailExchanger], of domain: String) throws(TransportFailure) -> [MailExchanger] {
        guard !records.isEmpty else { return [MailExchanger(preference: 0, host: domain)] }
        let named = records.filter { !$0.host.isEmpty }
        if named.isEmpty {  // RFC 7505: the domain says that it takes no mail
            throw self.failure(556, .init(1, 10), "The domain \(domain) takes no mail (null MX)")
        }
        if named.count < records.count {
            self.logger.notice("null MX beside other MX records is ignored", metadata: ["domain": "\(domain)"])
        }
        let hosts = named.filter { IPAddress($0.host) == nil }  // an address is not a host name
        guard !hosts.isEmpty else { throw self.failure(550, .init(4, 4), "The MX records of \(domain) name no host") }
        return hosts
    }

    /// By preference, hosts of equal preference in random order; ourselves and everything behind left out.
    private func withoutOurselves(_ exchangers: [MailExchanger]) throws(TransportFailure) -> [MailExchanger] {
        var result = self.shuffle(exchangers)
        result.sort { $0.preference < $1.preference }
        if let own = result.filter({ self.ownNames.contains($0.host.lowercased()) }).map(\.preference).min() {
            result.removeAll { $0.preference >= own }
        }
        guard !result.isEmpty else { throw self.ourselves }
        return result
    }

    /// - Parameter secure: the names of the domain, where DNSSEC vouches for its hosts.
    private func addresses(
        of exchangers: [MailExchanger],
        _ domain: String,
        secure domains: [String]?
    ) async throws(TransportFailure) -> [NextHop] {
        var hops: [NextHop] = []
        var unavailable: String?
        var ownPreference: UInt16?
        for exchanger in exchangers where hops.count < self.maximumAddresses {
            if let own = ownPreference, exchanger.preference >= own { break }
            let answer = await self.resolver.validatedAddresses(of: exchanger.host)
            switch answer.lookup {
            case .found(let addresses):
                if addresses.contains(where: self.ownAddresses.contains) {
                    ownPreference = exchanger.preference
                    hops.removeAll { hop in
                        exchangers.contains { $0.host == hop.host && $0.preference >= exchanger.preference }
                    }
                    continue
                }
                let secure: SecureHost?
                switch await self.secureHost(exchanger.host, answer, for: domains) {
                case .found(let host): secure = host
                case .notFound: secure = nil
                case .unavailable(let why):
                    unavailable = why
                    continue
                }
                hops += addresses.map {
                    NextHop(host: exchanger.host, address: .ip($0, port: self.port), secure: secure)
                }
            case .notFound:
                continue
            case .unavailable(let why):
                unavailable = why
            }
        }
        if !hops.isEmpty { return Array(hops.prefix(self.maximumAddresses)) }
        if let unavailable {
            throw self.failure(
                451,
                .init(4, 3),
                "DNS failure for the MX hosts of \(domain), try again later",
                unavailable
            )
        }
        if ownPreference != nil { throw self.ourselves }
        throw self.failure(550, .init(4, 4), "No MX host of \(domain) has an address")
    }

    /// - Parameter domains: `nil` where anybody could have named the host.
    private func secureHost(
        _ host: String,
        _ answer: ValidatedLookup<[IPAddress]>,
        for domains: [String]?
    ) async -> Lookup<SecureHost> {
        guard let domains else { return .notFound }
        return await SecureHost.find(host, answer, for: domains, self.resolver)
    }

    /// RFC 5321 section 5.1: nothing remains but ourselves, and the domain is not ours.
    private var ourselves: TransportFailure {
        self.failure(554, .init(4, 6), "Mail for the domain loops back to this host")
    }

    private func failure(
        _ code: ReplyCode,
        _ enhanced: EnhancedStatusCode,
        _ text: String,
        _ why: String? = nil
    ) -> TransportFailure {
        if let why { self.logger.warning("DNS failure", metadata: ["error": "\(why)"]) }
        return TransportFailure(reply: Reply(code, enhanced, text), host: nil, isDestinationTrouble: false)
    }
}
