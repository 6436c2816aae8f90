package import MailHubPlugin
package import Logging
package import MailQueue
import NIOCore
import SMTP
import TransportSecurity

/// Hands messages over by SMTP (RFC 5321) or LMTP (RFC 2033).
package struct SMTPTransport: Transport {
    /// The two protocols.
    package enum Dialect: Hashable, Sendable { case smtp, lmtp }

    /// How sessions behave.
    package struct Settings: Sendable {
        /// Our name in EHLO and LHLO.
        package var hostname: String
        package var dialect: Dialect
        package var timeouts = ClientTimeouts()
        /// Messages of one connection.
        package var messagesPerConnection = 1000
        /// TLS; `nil` for none.
        package var tls: RouteTLS?
        /// Who we are to the next hop; `nil` for nobody in particular.
        package var authentication: RouteAuthentication?

        package init(hostname: String, dialect: Dialect) {
            self.hostname = hostname
            self.dialect = dialect
        }
    }
    let settings: Settings
    let resolver: any NextHopResolver
    let published: PublishedPolicies
    private let content: ContentDirectory
    let logger: Logger

    package init(
        settings: Settings,
        resolver: any NextHopResolver,
        published: PublishedPolicies,
        content: ContentDirectory,
        logger: Logger
    ) {
        self.settings = settings
        self.resolver = resolver
        self.published = published
        self.content = content
        self.logger = logger
    }

    /// The same, with other hosts.
    package func reaching(_ resolver: any NextHopResolver) -> SMTPTransport {
        SMTPTransport(
            settings: self.settings,
            resolver: resolver,
            published: self.published,
            content: self.content,
            logger: self.logger
        )
    }

    /// Tries the next hops in order until one takes mail (RFC 5321 section 5.1).
    package func open(
        _ destination: Destination,
        on executor: EventLoopActorExecutor
    ) async throws(TransportFailure) -> any TransportSession {
        var last: TransportFailure?
        var security = DeliverySecurity(self.settings, self.published, destination, logger: self.logger)
        for hop in try await self.resolver.nextHops(for: destination) {
            do throws(TransportFailure) {
                let session = try await self.open(hop, for: destination, on: executor, &security)
                guard security.needsPromise(of: hop), !session.offersRequireTLS else { return session }
                await session.close()
                throw DeliverySecurity.noPromise(of: hop)
            } catch {
                self.logger.debug(
                    "next hop failed",
                    metadata: ["host": "\(hop.host)", "address": "\(hop.address)", "reply": "\(error.reply)"]
                )
                // A host that is down may be up later: it outweighs another one's refusal.
                if last?.reply.code.replyClass != .transientFailure { last = error }
            }
            if Task.isCancelled { break }
        }
        throw last
            ?? TransportFailure(
                reply: Reply(451, .init(4, 1), "No host of the destination answers"),
                host: nil,
                isDestinationTrouble: true
            )
    }

    /// - Throws: `TransportFailure`, or `TLSRefusal` where the requirement is not met.
    func open(_ hop: NextHop, on executor: EventLoopActorExecutor, tls: HopTLS) async throws -> SMTPTransportSession {
        let (connection, capabilities, parameters) = try await self.connect(hop, on: executor, tls: tls)
        do {
            try await self.authenticate(connection, hop, capabilities, parameters)
        } catch let error as ConnectionFailure {
            await connection.close()
            throw self.lost(hop, "\(error)")
        }
        return SMTPTransportSession(
            connection: connection,
            host: hop.host,
            capabilities: capabilities,
            parameters: parameters,
            security: parameters.map(tls.summary) ?? "none",
            settings: self.settings,
            content: self.content
        )
    }

    /// Connects, and goes on until mail may follow.
    ///
    /// - Returns: also what was agreed on in a handshake; `nil` where the connection is in the clear.
    /// - Throws: `TransportFailure`, or `TLSRefusal` where the requirement is not met.
    func connect(
        _ hop: NextHop,
        on executor: EventLoopActorExecutor,
        tls: HopTLS
    ) async throws -> (SMTPClientConnection, ServerCapabilities, TLSParameters?) {
        let timeouts = self.settings.timeouts
        let connection: SMTPClientConnection
        do {
            connection = try await .connect(to: hop, on: executor, limit: timeouts.connect)
        } catch {
            throw self.lost(hop, "cannot be reached")
        }
        do {
            let greeting = try await connection.reply(within: timeouts.greeting)
            guard greeting.code.replyClass == .completion else {
                await self.leave(connection)
                throw self.refused(hop, greeting)
            }
            var capabilities = try await self.greet(connection, hop)
            let security = try await self.secure(connection, hop, capabilities, tls)
            // What the server said in the clear may have been somebody else's (RFC 3207 section 4.2).
            if security != nil {
                capabilities = try await self.greet(connection, hop)
            } else {
                capabilities.requireTLS = false
            }
            return (connection, capabilities, security)
        } catch let error as ConnectionFailure {
            await connection.close()
            throw self.lost(hop, "\(error)")
        } catch let error as TransportFailure {
            throw error
        } catch let error as TLSRefusal {
            throw error
        } catch {
            await connection.close()
            throw self.lost(hop, "failed")
        }
    }

    /// EHLO, or HELO where that is not known (RFC 5321 section 3.2); LHLO for LMTP, which has no older form.
    private func greet(_ connection: SMTPClientConnection, _ hop: NextHop) async throws -> ServerCapabilities {
        let verb = self.settings.dialect == .lmtp ? "LHLO" : "EHLO"
        await connection.send(ByteBuffer(string: "\(verb) \(self.settings.hostname)\r\n"))
        let reply = try await connection.reply(within: self.settings.timeouts.hello)
        if reply.code.replyClass == .completion { return ServerCapabilities(ehlo: reply) }
        let isUnknown = reply.code.replyClass == .permanentFailure && reply.code != 554 && reply.code != 550
        guard isUnknown, self.settings.dialect == .smtp else {
            await self.leave(connection)
            throw self.refused(hop, reply)
        }
        await connection.send(ByteBuffer(string: "HELO \(self.settings.hostname)\r\n"))
        let second = try await connection.reply(within: self.settings.timeouts.hello)
        guard second.code.replyClass == .completion else {
            await self.leave(connection)
            throw self.refused(hop, second)
        }
        return ServerCapabilities()
    }

    /// QUIT even where no EHLO was accepted (RFC 5321 section 4.1.4).
    func leave(_ connection: SMTPClientConnection) async {
        await connection.send(ByteBuffer(string: "QUIT\r\n"))
        _ = try? await connection.reply(within: self.settings.timeouts.quit)
        await connection.close()
    }

    func lost(_ hop: NextHop, _ what: String) -> TransportFailure {
        TransportFailure(
            reply: Reply(451, .init(4, 1), "\(hop.host): \(what)"),
            host: nil,
            isDestinationTrouble: true
        )
    }

    private func refused(_ hop: NextHop, _ reply: Reply) -> TransportFailure {
        let isPermanent = reply.code.replyClass == .permanentFailure
        return TransportFailure(reply: reply, host: hop.host, isDestinationTrouble: !isPermanent)
    }
}
