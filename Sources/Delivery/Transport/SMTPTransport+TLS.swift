import Logging
import MailQueue
import NIOCore
import SMTP
import TransportSecurity

/// STARTTLS on the sending side (RFC 3207).
extension SMTPTransport {
    /// Opens a session as the policy wants it.
    ///
    /// Where TLS is only tried, a server with which it fails gets another connection in the clear: the one with the broken
    /// handshake is of no use any more.
    func open(
        _ hop: NextHop,
        for destination: Destination,
        on eventLoop: any EventLoop
    ) async throws(TransportFailure) -> SMTPTransportSession {
        let tls = try await self.tls(for: hop, destination)
        do {
            return try await self.open(hop, on: eventLoop, tls: tls)
        } catch let error as TLSRefusal {
            guard !tls.isMandatory else {
                throw TransportFailure(reply: error.reply, host: nil, isDestinationTrouble: true)
            }
            self.logger.info(
                "TLS failed: trying without",
                metadata: ["host": "\(hop.host)", "destination": "\(destination)", "reply": "\(error.reply)"]
            )
        } catch let error as TransportFailure {
            throw error
        } catch {
            throw self.lost(hop, "failed")
        }
        do {
            return try await self.open(hop, on: eventLoop, tls: .none)
        } catch let error as TransportFailure {
            throw error
        } catch {
            throw self.lost(hop, "failed")
        }
    }

    /// What a connection to a host has to come up to: what the route says, and more where the domain has published how its
    /// hosts are known.
    private func tls(for hop: NextHop, _ destination: Destination) async throws(TransportFailure) -> HopTLS {
        guard let route = self.settings.tls else { return .none }
        let policy = route.policy(for: destination)
        switch policy {
        case .none: return .none
        case .verify: return .verify(names: route.names.isEmpty ? [HopTLS.name(of: hop)] : route.names)
        case .may, .encrypt, .dane: break
        }
        switch await self.associations.associations(of: hop) {
        case .found(let associations): return .dane(associations)
        case .unavailable(let why):
            self.logger.warning("no answer about TLSA records", metadata: ["host": "\(hop.host)", "error": "\(why)"])
            throw TransportFailure(
                reply: Reply(451, .init(7, 5), "\(hop.host): the DNS does not say whether there are TLSA records"),
                host: nil,
                isDestinationTrouble: false
            )
        case .unusable where policy != .dane: return .encrypt
        case .none where policy != .dane: return policy == .may ? .may : .encrypt
        case .unusable, .none:
            let refusal = TLSRefusal.noAssociations(of: hop.host)
            throw TransportFailure(reply: refusal.reply, host: nil, isDestinationTrouble: false)
        }
    }

    /// Encrypts a connection that has passed EHLO, where the policy wants it.
    ///
    /// - Returns: what was agreed on; `nil` where the connection stays in the clear.
    /// - Throws: `TLSRefusal` where the policy is not met; the connection is closed then.
    func secure(
        _ connection: SMTPClientConnection,
        _ hop: NextHop,
        _ capabilities: ServerCapabilities,
        _ tls: HopTLS
    ) async throws -> TLSParameters? {
        guard let route = self.settings.tls, tls != .none else { return nil }
        guard capabilities.startTLS else {
            guard tls.isMandatory else { return nil }
            await self.leave(connection)
            throw TLSRefusal.notOffered(by: hop.host)
        }
        await connection.send(ByteBuffer(string: "STARTTLS\r\n"))
        let reply = try await connection.reply(within: self.settings.timeouts.hello)
        guard reply.code == 220 else {
            await self.leave(connection)
            throw TLSRefusal.refused(by: hop.host, reply)
        }
        do {
            return try await connection.startTLS(
                route.client,
                expecting: tls.expectation(of: hop),
                limit: self.settings.timeouts.handshake
            )
        } catch let failure as TLSFailure {
            await connection.close()
            throw TLSRefusal.failed(hop.host, failure)
        }
    }
}
