import MailHubPlugin
package import MailQueue
package import SMTP

/// Where a host of the next hop is reached.
package enum NextHopAddress: Hashable, Sendable {
    /// Over TCP.
    case ip(IPAddress, port: Int)
    /// Over a Unix-domain socket.
    case unixSocket(path: String)
}

/// One address of one host to be tried.
package struct NextHop: Hashable, Sendable {
    /// The host's name, for logs and notifications.
    package let host: String
    package let address: NextHopAddress
    /// Where DNSSEC vouches for the host being the domain's and for its address; `nil` where it does not.
    package let secure: SecureHost?

    package init(host: String, address: NextHopAddress, secure: SecureHost? = nil) {
        self.host = host
        self.address = address
        self.secure = secure
    }
}

/// The names of a host that was found through signed zones alone (RFC 7672 section 2.2).
package struct SecureHost: Hashable, Sendable {
    /// Below which its TLSA records may be, the first to be asked first: where an alias leads, then the name itself.
    package let bases: [String]
    /// The domain that the mail is for, and where an alias leads: a certificate may be for them, too.
    package let domains: [String]

    package init(bases: [String], domains: [String]) {
        self.bases = bases
        self.domains = domains
    }
}

extension SecureHost {
    /// The names of a host below which its TLSA records may be (RFC 7672 section 2.2.2).
    ///
    /// A name that is an alias counts by itself where the alias is secure, even if it leads into a zone that is not signed.
    ///
    /// - Parameter answer: with the host's addresses.
    /// - Returns: `notFound` where DNSSEC vouches for nothing.
    static func find(
        _ host: String,
        _ answer: ValidatedLookup<[IPAddress]>,
        for domains: [String],
        _ resolver: any ValidatingResolver
    ) async -> Lookup<SecureHost> {
        if answer.isSecure {
            return .found(SecureHost(bases: [answer.canonicalName, host].compactMap(\.self), domains: domains))
        }
        guard answer.canonicalName != nil else { return .notFound }
        let alias = await resolver.validatedAlias(of: host)
        return switch alias.lookup {
        case .found where alias.isSecure: .found(SecureHost(bases: [host], domains: domains))
        case .found, .notFound: .notFound
        // In doubt nothing is sent: somebody may keep the answer back.
        case .unavailable(let why): .unavailable(why)
        }
    }
}

/// Finds the hosts of a destination.
package protocol NextHopResolver: Sendable {
    /// The addresses to try, in order; at least one.
    ///
    /// - Throws: where there are none: for now, or for good.
    func nextHops(for destination: Destination) async throws(TransportFailure) -> [NextHop]
}
