import Foundation

/// A name server that takes questions and answers none.
public final class SilentServer: Sendable {
    /// Where it listens, at 127.0.0.1.
    public let port: Int
    private let descriptor: Int32

    /// Begins to listen.
    public init() throws {
        self.port = try freePort()
        self.descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(UInt16(self.port)).bigEndian
        address.sin_addr.s_addr = in_addr_t(0x7F00_0001).bigEndian
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(self.descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard isBound else { throw PeerFailure("cannot bind port \(self.port)") }
    }

    deinit { close(self.descriptor) }

    /// Blocks until somebody has asked.
    public func awaitQuestion() throws {
        var descriptor = pollfd(fd: self.descriptor, events: Int16(POLLIN), revents: 0)
        guard poll(&descriptor, 1, 30_000) == 1 else { throw PeerFailure("nobody has asked") }
    }
}
