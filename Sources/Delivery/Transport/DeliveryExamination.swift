package import MailHubPlugin
package import MailQueue
package import SMTP
package import TransportSecurity

/// What a delivery would do now, and why: found out by going as far as EHLO behind the handshake.
package struct DeliveryExamination: Sendable {
    /// One address of one host.
    package struct Host: Sendable {
        package let name: String
        package let address: NextHopAddress
        /// Its TLSA records that count, or why there are none.
        package let associations: [String]
        /// What a connection has to come up to; `nil` where the host is not to be used.
        package let requirement: String?
        /// What was agreed on in the handshake; `nil` without one.
        package let tls: TLSParameters?
        /// What the server shows, its own certificate first.
        package let certificates: [CertificateFacts]
        /// Why it would get no mail; `nil` where it would.
        package let refusal: Reply?
        /// How the log would call the connection.
        package let security: String
    }
    /// The route's policy for the destination.
    package let policy: TLSPolicy
    /// The MTA-STS policy; `nil` where it is switched off, or no matter of this destination.
    package let mtaSTS: STSPolicies.Answer?
    /// In the order in which they are tried.
    package let hosts: [Host]
    /// Why there are no hosts.
    package let refusal: Reply?
}

extension SMTPTransport {
    /// The most hosts that are looked at.
    private static let mostExamined = 10

    /// Looks at each host of a destination, the ones that would not be needed included.
    package func examine(_ destination: Destination, on executor: EventLoopActorExecutor) async -> DeliveryExamination {
        let policy = self.settings.tls?.policy(for: destination) ?? .none
        var sts: STSPolicies.Answer?
        if policy == .may || policy == .encrypt, !destination.domain.isEmpty {
            sts = await self.published.sts?.policy(for: destination.domain)
        }
        let hops: [NextHop]
        do {
            hops = try await self.resolver.nextHops(for: destination)
        } catch {
            return DeliveryExamination(policy: policy, mtaSTS: sts, hosts: [], refusal: error.reply)
        }
        var security = DeliverySecurity(self.settings, self.published, destination, logger: self.logger)
        var hosts: [DeliveryExamination.Host] = []
        for hop in hops.prefix(Self.mostExamined) where !Task.isCancelled {
            let associations = await self.associations(of: hop)
            do {
                let tls = try await security.requirement(for: hop)
                hosts.append(await self.examine(hop, tls, associations, on: executor))
            } catch {
                hosts.append(.init(hop, associations, requirement: nil, refusal: error.reply, isReached: false))
            }
        }
        return DeliveryExamination(policy: policy, mtaSTS: sts, hosts: hosts, refusal: nil)
    }

    private func associations(of hop: NextHop) async -> [String] {
        switch await self.published.dane.associations(of: hop) {
        case .none: [hop.secure == nil ? "none: not in a signed zone" : "none"]
        case .unusable: ["none that can be used"]
        case .unavailable(let why): ["not known: \(why)"]
        case .found(let found): found.records.map(\.description)
        }
    }

    private func examine(
        _ hop: NextHop,
        _ tls: HopTLS,
        _ associations: [String],
        on executor: EventLoopActorExecutor
    ) async -> DeliveryExamination.Host {
        do {
            let (connection, _, parameters) = try await self.connect(hop, on: executor, tls: tls)
            let certificates = await connection.peerCertificates()
            await self.leave(connection)
            return .init(hop, associations, requirement: tls, parameters, certificates)
        } catch let error as TLSRefusal {
            // The connection that has failed shows nothing: another one, of which less is asked.
            var (shown, parameters): ([CertificateFacts], TLSParameters?) = ([], nil)
            if let (connection, _, found) = try? await self.connect(hop, on: executor, tls: .may) {
                (shown, parameters) = (await connection.peerCertificates(), found)
                await self.leave(connection)
            }
            let refusal = tls.isMandatory ? error.reply : nil
            return .init(hop, associations, requirement: tls, parameters, shown, refusal: refusal)
        } catch let error as TransportFailure {
            return .init(hop, associations, requirement: tls, refusal: error.reply, isReached: false)
        } catch {
            return .init(hop, associations, requirement: tls, refusal: self.lost(hop, "failed").reply, isReached: false)
        }
    }
}

extension DeliveryExamination.Host {
    fileprivate init(
        _ hop: NextHop,
        _ associations: [String],
        requirement: HopTLS?,
        _ tls: TLSParameters? = nil,
        _ certificates: [CertificateFacts] = [],
        refusal: Reply? = nil,
        isReached: Bool = true
    ) {
        self.name = hop.host
        self.address = hop.address
        self.associations = associations
        self.requirement = requirement?.explanation
        self.tls = tls
        self.certificates = certificates
        self.refusal = refusal
        self.security =
            tls.flatMap { tls in requirement.map { $0.summary(of: tls) } }
            ?? (isReached ? "in the clear" : "no connection")
    }
}

extension HopTLS {
    /// For the postmaster.
    fileprivate var explanation: String {
        switch self {
        case .none: "no TLS"
        case .may: "TLS where it is offered, with any certificate"
        case .encrypt: "TLS, with any certificate"
        case .verify(let names):
            "TLS, with a trusted certificate for \(names.joined(separator: " or ")) (the route's policy)"
        case .mtaSTS: "TLS, with a trusted certificate for the host's name (MTA-STS)"
        case .dane: "TLS, with a certificate that matches a TLSA record (DANE)"
        }
    }
}
