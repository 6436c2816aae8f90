package import MailHubPlugin
import NIOPosix
import SASL
import Synchronization
import TransportSecurity

/// Who the hub is to the next hop of a route (RFC 4954).
package final class RouteAuthentication: Sendable {
    package let user: String
    private let password: Secret
    /// What the password is, salted: it takes its time, and the server's salt seldom changes.
    private let salted = Mutex<(salt: [UInt8], iterations: Int, value: [UInt8])?>(nil)

    /// - Returns: `nil` where the name or the password cannot be one (RFC 4013).
    package init?(user: String, password: Secret) {
        guard let user = Prepared.text(user), let password = Prepared.text(password.value) else { return nil }
        self.user = user
        self.password = Secret(password)
    }

    /// The one message of PLAIN (RFC 4616).
    var plain: [UInt8] { [0] + Array(self.user.utf8) + [0] + Array(self.password.value.utf8) }

    /// What PBKDF2 makes of the password.
    func salted(with salt: [UInt8], iterations: Int) async throws -> [UInt8] {
        if let known = self.salted.withLock({ $0 }), known.salt == salt, known.iterations == iterations {
            return known.value
        }
        let password = Array(self.password.value.utf8)
        let value = try await NIOThreadPool.singleton.runIfActive {
            try Digest.pbkdf2SHA256(password: password, salt: salt, iterations: iterations)
        }
        self.salted.withLock { $0 = (salt, iterations, value) }
        return value
    }
}

extension RouteAuthentication: Hashable {
    package static func == (left: RouteAuthentication, right: RouteAuthentication) -> Bool {
        left.user == right.user && left.password == right.password
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(self.user) }
}

extension RouteAuthentication: CustomStringConvertible {
    /// Without the password: it may come into a log.
    package var description: String { self.user }
}
