import Logging
package import MailHubPlugin
package import MailQueue
import SMTP

/// A next hop that the configuration names.
package struct FixedNextHop: NextHopResolver {
    /// Where it is.
    package enum Location: Hashable, Sendable {
        /// A host name or an IP address, and a port.
        case host(String, port: Int)
        /// A Unix-domain socket.
        case unixSocket(path: String)
    }
    private let location: Location
    private let resolver: any ValidatingResolver

    package init(_ location: Location, resolver: any ValidatingResolver) {
        self.location = location
        self.resolver = resolver
    }

    package func nextHops(for destination: Destination) async throws(TransportFailure) -> [NextHop] {
        switch self.location {
        case .unixSocket(let path):
            return [NextHop(host: "localhost", address: .unixSocket(path: path))]
        case .host(let name, let port):
            if let address = IPAddress(name) { return [NextHop(host: name, address: .ip(address, port: port))] }
            if name.lowercased() == "localhost" {
                return ["127.0.0.1", "::1"].compactMap { IPAddress($0) }
                    .map { NextHop(host: name, address: .ip($0, port: port)) }
            }
            let answer = await self.resolver.validatedAddresses(of: name)
            switch answer.lookup {
            case .found(let addresses) where !addresses.isEmpty:
                // A certificate may be for the name in the configuration, wherever an alias leads (RFC 7672 section 3.2.2).
                let secure: SecureHost?
                switch await SecureHost.find(name, answer, for: [name], self.resolver) {
                case .found(let host): secure = host
                case .notFound: secure = nil
                case .unavailable(let why): throw self.failure(name, .init(4, 3), "cannot be looked up now: \(why)")
                }
                return addresses.map { NextHop(host: name, address: .ip($0, port: port), secure: secure) }
            case .found, .notFound, .unavailable:
                throw self.failure(name, .init(4, 4), "has no address now")
            }
        }
    }

    /// A configured host that cannot be found is a mistake to be mended, not a reason to bounce.
    private func failure(_ name: String, _ enhanced: EnhancedStatusCode, _ trouble: String) -> TransportFailure {
        TransportFailure(
            reply: Reply(451, enhanced, "The next hop \(name) \(trouble)"),
            host: name,
            isDestinationTrouble: true
        )
    }
}
