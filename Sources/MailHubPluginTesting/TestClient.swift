import Foundation
public import MailHubPlugin
import Reception
import SASL
import TransportSecurity

/// A client of a test hub.
public final class TestClient: Sendable {
    /// What the hub said first.
    public let greeting: String
    private let client: SessionClient

    init(_ client: SessionClient, greeting: String) {
        self.client = client
        self.greeting = greeting
    }

    /// Sends a command line, and gives the reply: its lines joined by newlines, empty where the hub has closed the connection.
    public func send(_ line: String) async throws -> String {
        await self.client.send(line)
        return try await self.client.reply() ?? ""
    }

    /// Claims to be somebody, at a listener with the role `submission` (RFC 4616, RFC 4954); gives the reply.
    public func authenticate(as user: String, password: String) async throws -> String {
        try await self.send("AUTH PLAIN \(Data("\u{0}\(user)\u{0}\(password)".utf8).base64EncodedString())")
    }

    /// Shows that it knows the password of one of the listener's `users`, with SCRAM-SHA-256 (RFC 7677), at a listener with the role
    /// `submission`; gives the last reply.
    public func authenticateWithSCRAM(as user: String, password: String) async throws -> String {
        var scram = SCRAMClient(user: user, nonce: Array("mailhub-test-client".utf8))
        var reply = try await self.send("AUTH SCRAM-SHA-256 \(Base64.encode(scram.first))")
        guard reply.hasPrefix("334"), let challenge = Base64.decode(reply.dropFirst(4).utf8) else { return reply }
        let (salt, iterations) = try scram.challenged(by: challenge)
        let salted = try Digest.pbkdf2SHA256(password: Array(password.utf8), salt: salt, iterations: iterations)
        reply = try await self.send(Base64.encode(scram.answer(salted: salted)))
        guard reply.hasPrefix("334"), let end = Base64.decode(reply.dropFirst(4).utf8) else { return reply }
        try scram.concluded(by: end)
        return try await self.send("")
    }

    /// Sends octets as they are; `nextReply()` gives what comes of them.
    public func send(octets: [UInt8]) async { await self.client.send(octets) }

    /// The next reply; empty where the hub has closed the connection.
    public func nextReply() async throws -> String { try await self.client.reply() ?? "" }

    /// Sends a whole message.
    ///
    /// - Parameter content: its lines end with CRLF; dots are stuffed here.
    /// - Returns: the last reply: of the end of data, or of the command that was refused.
    public func deliver(from sender: String, to recipients: [String], _ content: String) async throws -> String {
        try await self.replies(from: sender, to: recipients, content).last ?? ""
    }

    /// Sends a whole message, and gives all replies; after a refused MAIL, or without any recipient, the message is given up.
    public func replies(from sender: String, to recipients: [String], _ content: String) async throws -> [String] {
        var replies = [try await self.send("MAIL FROM:<\(sender)>")]
        guard replies[0].hasPrefix("2") else { return replies }
        var taken = 0
        for recipient in recipients {
            replies.append(try await self.send("RCPT TO:<\(recipient)>"))
            if replies.last?.hasPrefix("2") == true { taken += 1 }
        }
        guard taken > 0 else {
            _ = try await self.send("RSET")
            return replies
        }
        replies.append(try await self.send("DATA"))
        guard replies.last?.hasPrefix("354") == true else { return replies }
        let stuffed = content.split(separator: "\r\n", omittingEmptySubsequences: false)
            .map { $0.hasPrefix(".") ? ".\($0)" : String($0) }.joined(separator: "\r\n")
        let end = stuffed.hasSuffix("\r\n") ? ".\r\n" : "\r\n.\r\n"
        await self.client.send(Array((stuffed + end).utf8))
        replies.append(try await self.nextReply())
        return replies
    }

    /// Goes without a word.
    public func disconnect() async { await self.client.disconnect() }

    /// Waits until the hub is done with the session.
    public func finished() async throws { try await self.client.finished() }

    /// What plugins have stated about the session.
    public var facts: Facts { self.client.session.facts }
}
