import Administration
import Delivery
import MailHubPlugin
import MailQueue
import NIOCore
import SMTP
import TransportSecurity

/// Finds out what a delivery would do: `mailhub tls test`.
struct TLSTest {
    let live: LiveConfiguration
    let resolver: any ValidatingResolver
    let eventLoops: any EventLoopGroup

    /// - Parameter target: a domain, or a host with a port behind a colon.
    func report(on target: String) async throws -> TLSReport {
        let snapshot = self.live.current
        if let (host, port) = Self.hostAndPort(target) {
            guard let route = self.routeForHosts(snapshot) else {
                throw ControlFailure(.notFound, "no route uses SMTP over TCP")
            }
            let hop = FixedNextHop(.host(host, port: port), resolver: self.resolver)
            return await self.report(route.transport.reaching(hop), Destination(route: route.name, domain: ""))
        }
        guard let mailbox = Mailbox("postmaster@\(target)") else {
            throw ControlFailure(
                .invalidRequest,
                "\"\(target)\" is neither a domain nor a host with a port, such as mx.example.org:25"
            )
        }
        let destination = snapshot.router.destination(for: EnvelopeRecipient(mailbox))
        guard let transport = snapshot.transports[destination.route] else {
            throw ControlFailure(.notFound, "no route leads to \(target)")
        }
        guard let transport = transport as? SMTPTransport else {
            return TLSReport(
                destination: "\(destination)",
                transport: "maildir",
                policy: "none",
                mtaSTS: "not asked for",
                hosts: [],
                isDeliverable: true,
                verdict: "mail goes into a Maildir of this machine: there is no connection"
            )
        }
        return await self.report(transport, destination)
    }

    /// `mx.example.org:25`, `[192.0.2.1]:25`, `[2001:db8::1]:25`; `nil` for anything else.
    private static func hostAndPort(_ target: String) -> (String, Int)? {
        guard let colon = target.lastIndex(of: ":"), let port = Int(target[target.index(after: colon)...]),
            (1...65535).contains(port)
        else { return nil }
        var host = target[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
        guard Domain(host) != nil || IPAddress(host) != nil else { return nil }
        return (String(host), port)
    }

    /// The route whose authorities and policy stand in for those of a host that no route names: the one to the internet.
    private func routeForHosts(_ snapshot: LiveConfiguration.Snapshot) -> (name: String, transport: SMTPTransport)? {
        let configuration = snapshot.configuration
        let names = [configuration.defaultRoute].compactMap(\.self) + configuration.routes.keys.sorted()
        for name in names {
            switch configuration.routes[name] {
            case .mx, .fixed(.smtp, .host): return (snapshot.transports[name] as? SMTPTransport).map { (name, $0) }
            case .fixed, .maildir, nil: continue
            }
        }
        return nil
    }

    private func report(_ transport: SMTPTransport, _ destination: Destination) async -> TLSReport {
        let found = await transport.examine(destination, on: EventLoopActorExecutor(self.eventLoops.any()))
        let usable = found.hosts.first { $0.refusal == nil }
        let verdict: String =
            if let usable {
                "mail goes to \(usable.name), \(usable.security)"
            } else if let refusal = found.refusal ?? found.hosts.last?.refusal {
                refusal.code.replyClass == .permanentFailure ? "mail fails: \(refusal)" : "mail waits: \(refusal)"
            } else {
                "mail waits: there is no host"
            }
        return TLSReport(
            destination: "\(destination)",
            transport: "smtp",
            policy: found.policy.rawValue,
            mtaSTS: Self.text(found.mtaSTS),
            ownCertificate: self.live.current.configuration.routeTLS[destination.route]?.client.certificate.map {
                TLSCertificateReport($0.facts)
            },
            hosts: found.hosts.map { TLSHostReport($0) },
            isDeliverable: usable != nil,
            verdict: verdict
        )
    }

    private static func text(_ answer: STSPolicies.Answer?) -> String {
        switch answer {
        case nil: "not asked for"
        case STSPolicies.Answer.none?: "none"
        case .failed(let failure)?: "none that can be had: \(failure.rawValue)"
        case .unavailable(let why)?: "not known: \(why)"
        case .policy(let policy)?:
            "\(policy.mode.rawValue), for \(policy.maximumAge) s, hosts \(policy.hosts.joined(separator: ", "))"
        }
    }
}

extension TLSHostReport {
    fileprivate init(_ host: DeliveryExamination.Host) {
        let place: String =
            switch host.address {
            case .ip(let address, let port): "\(host.name) [\(address)]:\(port)"
            case .unixSocket(let path): path
            }
        self.init(
            host: place,
            tlsa: host.associations,
            requirement: host.requirement ?? "the host is not used",
            security: host.security,
            certificates: host.certificates.map { TLSCertificateReport($0) },
            isUsable: host.refusal == nil,
            verdict: host.refusal.map { "\($0)" } ?? "takes mail, \(host.security)"
        )
    }
}

extension TLSCertificateReport {
    fileprivate init(_ facts: CertificateFacts) {
        self.init(
            subject: facts.subject,
            issuer: facts.issuer,
            names: facts.hostNames,
            notAfter: ControlInstant(Timestamp(milliseconds: 0) + .seconds(facts.notAfter)),
            fingerprint: facts.fingerprint
        )
    }
}
