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

    package init(host: String, address: NextHopAddress) {
        self.host = host
        self.address = address
    }
}

/// Finds the hosts of a destination.
package protocol NextHopResolver: Sendable {
    /// The addresses to try, in order; at least one.
    ///
    /// - Throws: where there are none: for now, or for good.
    func nextHops(for destination: Destination) async throws(TransportFailure) -> [NextHop]
}
