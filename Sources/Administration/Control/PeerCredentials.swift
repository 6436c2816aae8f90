import Glibc
import NIOCore

/// Who is at the other end of a Unix-domain connection, as the kernel says: `struct ucred` of unix(7).
///
/// The fields are in the kernel's order and of its sizes; the C type itself is not visible to Swift.
struct PeerCredentials: Sendable {
    /// The process that connected.
    var process: Int32 = 0
    /// Its effective user when it connected.
    var user: UInt32 = .max
    /// Its effective group when it connected.
    var group: UInt32 = .max

    /// Asks the kernel.
    ///
    /// - Returns: `nil` when the channel is not a connected Unix-domain socket.
    static func peer(of channel: any Channel) async -> PeerCredentials? {
        guard let provider = channel as? any SocketOptionProvider else { return nil }
        let answer: EventLoopFuture<PeerCredentials> = provider.unsafeGetSocketOption(
            level: .socket,
            name: NIOBSDSocket.Option(rawValue: SO_PEERCRED)
        )
        return try? await answer.get()
    }

    /// Whether this peer may operate the hub: root, and the user that the hub runs as.
    var mayOperate: Bool { self.user == 0 || self.user == geteuid() }
}
