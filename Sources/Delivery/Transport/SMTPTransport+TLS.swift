import MailHubPlugin
import Logging
import MailQueue
import NIOCore
import SMTP
import TransportSecurity

/// STARTTLS on the sending side (RFC 3207).
extension SMTPTransport {
    /// Opens a session as it is required.
    ///
    /// Where TLS is only tried, a server with which it fails gets another connection in the clear: the one with the broken
    /// handshake is of no use any more.
    func open(
        _ hop: NextHop,
        for destination: Destination,
        on executor: EventLoopActorExecutor,
        _ security: inout DeliverySecurity
    ) async throws(TransportFailure) -> SMTPTransportSession {
        let tls: HopTLS
        do {
            tls = try await security.requirement(for: hop)
        } catch {
            security.reportUnused(hop)
            throw error
        }
        do {
            let session = try await self.open(hop, on: executor, tls: tls)
            security.report(hop, nil, session.parameters, from: session.ownAddress)
            return session
        } catch let error as TLSRefusal {
            security.report(hop, error, nil, from: error.sender)
            guard !tls.isMandatory else {
                // Mail with REQUIRETLS does not wait for better times (RFC 8689 section 4.2.1).
                let isFinal = destination.tls == .required
                throw TransportFailure(
                    reply: isFinal ? Reply(550, .init(7, 10), "REQUIRETLS: \(error.reply.text)") : error.reply,
                    host: nil,
                    isDestinationTrouble: !isFinal
                )
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
            return try await self.open(hop, on: executor, tls: .none)
        } catch let error as TransportFailure {
            throw error
        } catch {
            throw self.lost(hop, "failed")
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
            throw TLSRefusal.notOffered(by: hop.host).at(connection)
        }
        await connection.send(ByteBuffer(string: "STARTTLS\r\n"))
        let reply = try await connection.reply(within: self.settings.timeouts.hello)
        guard reply.code == 220 else {
            await self.leave(connection)
            throw TLSRefusal.refused(by: hop.host, reply).at(connection)
        }
        do {
            return try await connection.startTLS(
                route.client,
                expecting: tls.expectation(of: hop),
                limit: self.settings.timeouts.handshake
            )
        } catch let failure as TLSFailure {
            await connection.close()
            throw TLSRefusal.failed(hop.host, failure).at(connection)
        }
    }
}

extension TLSRefusal {
    fileprivate func at(_ connection: SMTPClientConnection) -> TLSRefusal {
        var refusal = self
        refusal.sender = connection.ownAddress
        return refusal
    }
}
