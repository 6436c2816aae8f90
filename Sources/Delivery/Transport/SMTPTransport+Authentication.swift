import NIOCore
import SASL
import SMTP
import TransportSecurity

/// AUTH on the sending side (RFC 4954).
extension SMTPTransport {
    /// Tells the server who we are, where the route says so: by SCRAM-SHA-256 where it can, bound to the TLS connection if that can be
    /// had, else by PLAIN.
    ///
    /// Whatever goes wrong is temporary: a password to be mended is no reason to send mail back.
    ///
    /// - Parameter parameters: of the connection; `nil` for one in the clear.
    /// - Throws: `TransportFailure` where the server does not take us for who we are; the connection is closed then.
    func authenticate(
        _ connection: SMTPClientConnection,
        _ hop: NextHop,
        _ capabilities: ServerCapabilities,
        _ parameters: TLSParameters?
    ) async throws {
        guard let authentication = self.settings.authentication else { return }
        do {
            // The configuration sees to it; a password is worth a second look.
            guard let parameters, parameters.verification == .verified else {
                throw Refusal("the server is not verified")
            }
            let mechanisms = capabilities.authenticationMechanisms
            let isOffered = mechanisms.contains(SASLMechanism.scramSHA256Plus.rawValue)
            let binding = isOffered ? await Self.binding(connection, parameters) : .notOffered
            let nonce = Array(Base64.encode(try Digest.random(18)).utf8)
            let client = SCRAMClient(user: authentication.user, nonce: nonce, binding: binding)
            if mechanisms.contains(client.mechanism.rawValue) {
                try await self.scram(client, authentication, connection)
            } else if mechanisms.contains("PLAIN") {
                try await self.plain(authentication, connection)
            } else {
                throw Refusal("it offers neither SCRAM-SHA-256 nor PLAIN")
            }
        } catch let error as ConnectionFailure {
            throw error
        } catch {
            await self.leave(connection)
            throw TransportFailure(
                reply: Reply(451, .init(7, 8), "\(hop.host): authentication as \(authentication) failed: \(error)"),
                host: nil,
                isDestinationTrouble: true
            )
        }
    }

    private struct Refusal: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
        /// Without the server's words, which may repeat what it was told: the password.
        init(_ reply: Reply) {
            let enhanced = reply.enhancedText.map { " \($0)" } ?? ""
            self.description = "the server answered \(reply.code)\(enhanced)"
        }
    }

    private func plain(_ authentication: RouteAuthentication, _ connection: SMTPClientConnection) async throws {
        try await self.begin("PLAIN", authentication.plain, connection, awaits: 235)
    }

    /// What the exchange is bound to: in TLS 1.3 `tls-exporter` (RFC 9266), before that the server's certificate, since exporters
    /// are safe there only with an extension that nobody sees here (RFC 9266 section 4.2).
    private static func binding(
        _ connection: SMTPClientConnection,
        _ parameters: TLSParameters
    ) async -> SCRAMClientBinding {
        let kind: ChannelBinding = parameters.version == "TLSv1.3" ? .exporter : .serverEndPoint
        return await connection.channelBinding(kind).map { .bound(kind, $0) } ?? .none
    }

    private func scram(
        _ begun: SCRAMClient,
        _ authentication: RouteAuthentication,
        _ connection: SMTPClientConnection
    ) async throws {
        var client = begun
        let challenge = try await self.begin(client.mechanism.rawValue, client.first, connection, awaits: 334)
        do {
            let (salt, iterations) = try client.challenged(by: challenge)
            let salted = try await authentication.salted(with: salt, iterations: iterations)
            let end = try await self.say(try client.answer(salted: salted), connection, awaits: 334)
            try client.concluded(by: end)
        } catch let error as SCRAMClient.Refused {
            await connection.send(ByteBuffer(string: "*\r\n"))
            _ = try await connection.reply(within: self.settings.timeouts.hello)
            throw error
        }
        _ = try await self.say([], connection, awaits: 235)
    }

    /// AUTH with the first message, in the same line where it fits (RFC 4954 section 4).
    @discardableResult
    private func begin(
        _ mechanism: String,
        _ message: [UInt8],
        _ connection: SMTPClientConnection,
        awaits code: ReplyCode
    ) async throws -> [UInt8] {
        let line = "AUTH \(mechanism) \(Base64.encode(message))"
        if line.utf8.count <= 510 { return try await self.command(line, connection, awaits: code) }
        _ = try await self.command("AUTH \(mechanism)", connection, awaits: 334)
        return try await self.say(message, connection, awaits: code)
    }

    private func say(
        _ message: [UInt8],
        _ connection: SMTPClientConnection,
        awaits code: ReplyCode
    ) async throws -> [UInt8] {
        try await self.command(Base64.encode(message), connection, awaits: code)
    }

    /// Sends a line.
    ///
    /// - Returns: what the server says behind 334, decoded; nothing behind other codes.
    private func command(
        _ line: String,
        _ connection: SMTPClientConnection,
        awaits code: ReplyCode
    ) async throws -> [UInt8] {
        await connection.send(ByteBuffer(string: line + "\r\n"))
        let reply = try await connection.reply(within: self.settings.timeouts.hello)
        guard reply.code == code else { throw Refusal(reply) }
        guard code == 334 else { return [] }
        guard let octets = Base64.decode((reply.lines.first ?? "").utf8) else { throw Refusal("malformed base64") }
        return octets
    }
}
