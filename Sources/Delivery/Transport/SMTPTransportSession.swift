import InternetMessage
import MailHubPlugin
import MailQueue
import NIOCore
import SMTP
import TransportSecurity

/// A connection that has passed EHLO, and the transactions over it; on the connection's event loop.
actor SMTPTransportSession: TransportSession {
    nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe self.connection.unownedExecutor }

    /// The most recipients of one transaction: what every server must take (RFC 5321 section 4.5.3.1.8).
    private static let mostRecipients = 100

    private let connection: SMTPClientConnection
    private let host: String
    private let capabilities: ServerCapabilities
    /// Our side of the connection.
    nonisolated var ownAddress: IPAddress? { self.connection.ownAddress }
    /// Whether the server promises to protect what is to be protected, too (RFC 8689).
    nonisolated var offersRequireTLS: Bool { self.capabilities.requireTLS }
    /// What was agreed on in the handshake; `nil` in the clear.
    nonisolated let parameters: TLSParameters?
    /// Protocol, cipher and verification of TLS; `nil` in the clear.
    nonisolated let security: String?
    private let settings: SMTPTransport.Settings
    private let content: ContentDirectory
    private var isOpen = true
    private var needsReset = false
    private var messages = 0

    init(
        connection: SMTPClientConnection,
        host: String,
        capabilities: ServerCapabilities,
        parameters: TLSParameters?,
        security: String?,
        settings: SMTPTransport.Settings,
        content: ContentDirectory
    ) {
        self.connection = connection
        self.host = host
        self.capabilities = capabilities
        self.parameters = parameters
        self.security = security
        self.settings = settings
        self.content = content
    }

    var isReusable: Bool {
        get async {
            guard self.isOpen, self.messages < self.settings.messagesPerConnection else { return false }
            return await self.connection.isQuiet
        }
    }

    func close() async {
        if self.isOpen {
            self.isOpen = false
            await self.connection.send(ByteBuffer(string: "QUIT\r\n"))
            _ = try? await self.connection.reply(within: self.settings.timeouts.quit)
        }
        await self.connection.close()
    }

    /// The server has said 421: it gets its QUIT all the same (RFC 5321 section 4.1.4).
    private func quit() async {
        await self.connection.send(ByteBuffer(string: "QUIT\r\n"))
        await self.connection.close()
    }

    func deliver(_ job: DeliveryJob) async -> [RecipientReport] {
        let traits: ContentTraits
        do {
            traits = try await self.traits(of: job.content)
        } catch {
            return job.recipients.map { self.report($0, .deferred(Self.unreadable), host: nil) }
        }
        var reports: [RecipientReport] = []
        var waiting = job.recipients[...]
        while let first = waiting.first {
            let group = waiting.filter { self.mayShareTransaction(first.recipient, $0.recipient) }
                .prefix(Self.mostRecipients)
            let plan = TransactionPlan(
                job: job,
                recipients: Array(group),
                traits: traits,
                capabilities: self.capabilities,
                dialect: self.settings.dialect,
                isAuthenticated: self.settings.authentication != nil
            )
            let outcomes = await self.transact(plan)
            let chosen = Set(group.map(\.index))
            waiting.removeAll { chosen.contains($0.index) }
            var again: [QueuedRecipient] = []
            for (recipient, outcome) in zip(group, outcomes) {
                if case .again = outcome {
                    again.append(recipient)
                } else {
                    reports.append(self.report(recipient, outcome))
                }
            }
            // `again` is given only beside an accepted recipient, so the number of those that wait shrinks each time.
            waiting.append(contentsOf: again)
        }
        return reports
    }

    /// Recipients from a list have a reverse-path of their own, and where the server does not take SMTPUTF8, one address that
    /// needs it is no reason to keep the message from the others (RFC 6531 section 3.2).
    private func mayShareTransaction(_ one: EnvelopeRecipient, _ other: EnvelopeRecipient) -> Bool {
        one.reversePath == other.reversePath
            && (self.capabilities.internationalized || one.mailbox.isASCII == other.mailbox.isASCII)
    }

    private func transact(_ plan: TransactionPlan) async -> [ClientTransaction.Outcome] {
        if let refusal = plan.refusal { return plan.recipients.map { _ in .failed(refusal) } }
        self.messages += 1
        guard self.isOpen else { return plan.recipients.map { _ in .deferred(Self.lost(.closed)) } }
        var transaction = ClientTransaction(
            recipients: plan.recipients.count,
            pipelining: self.capabilities.pipelining,
            isLMTP: self.settings.dialect == .lmtp,
            content: plan.contentCommand
        )
        do {
            if self.needsReset {
                self.needsReset = false
                await self.connection.send(ByteBuffer(string: "RSET\r\n"))
                _ = try await self.connection.reply(within: self.settings.timeouts.mail)
            }
            try await self.run(&transaction, plan)
        } catch let error as ConnectionFailure {
            self.isOpen = false
            transaction.connectionLost(Self.lost(error))
        } catch {
            // The content cannot be read: the connection ends in the middle of it, so that nobody takes it for whole.
            self.isOpen = false
            await self.connection.close()
            transaction.connectionLost(Self.unreadable)
        }
        return transaction.outcomes.map { $0 ?? .deferred(Self.lost(.closed)) }
    }

    private func run(_ transaction: inout ClientTransaction, _ plan: TransactionPlan) async throws {
        let timeouts = self.settings.timeouts
        var limit = timeouts.mail
        var action = transaction.start()
        while true {
            switch action {
            case .send(let lines):
                var buffer = ByteBuffer()
                for line in lines { plan.write(line, into: &buffer) }
                limit = lines.last == .data && lines.count == 1 ? timeouts.data : max(timeouts.mail, timeouts.recipient)
                await self.connection.send(buffer)
            case .sendContent:
                do {
                    try await self.sendContent(plan)
                } catch let failure as ConnectionFailure {
                    // A server may refuse in the middle of the content and close: the refusal says more than the closing.
                    guard let refusal = await self.connection.pendingReply, refusal.code.replyClass != .completion
                    else { throw failure }
                }
                limit = timeouts.endOfData
            case .sendEmptyContent:
                await self.connection.send(ByteBuffer(string: ".\r\n"))
                limit = timeouts.endOfData
            case .wait:
                break
            case .finished(let reset):
                self.needsReset = reset
                return
            case .closed:
                self.isOpen = false
                return await self.quit()
            }
            action = transaction.received(try await self.connection.reply(within: limit))
        }
    }

    private func sendContent(_ plan: TransactionPlan) async throws {
        let limit = self.settings.timeouts.block
        switch plan.contentCommand {
        case .chunk:
            await self.connection.send(ByteBuffer(string: "BDAT \(plan.job.content.size) LAST\r\n"))
            try await self.forEachPiece(of: plan.job.content) { piece in
                try await self.connection.sendAndDrain(piece, limit: limit)
            }
        case .data:
            var stuffing = DotStuffing()
            if case .inline(let content) = plan.job.content {
                var buffer = ByteBuffer()
                buffer.reserveCapacity(content.readableBytes + 64)
                stuffing.encode(content, into: &buffer)
                stuffing.finish(into: &buffer)
                return await self.connection.send(buffer)
            }
            try await self.forEachPiece(of: plan.job.content) { piece in
                var buffer = ByteBuffer()
                stuffing.encode(piece, into: &buffer)
                try await self.connection.sendAndDrain(buffer, limit: limit)
            }
            var end = ByteBuffer()
            stuffing.finish(into: &end)
            await self.connection.send(end)
        }
    }

    private func forEachPiece(
        of content: StoredContent,
        _ body: (ByteBuffer) async throws -> Void
    ) async throws {
        do {
            try await self.content.forEachPiece(of: content) { (piece) async throws(any Error) in try await body(piece)
            }
        } catch {
            if case .consumer(let failure) = error { throw failure }
            throw error
        }
    }

    private func traits(of content: StoredContent) async throws -> ContentTraits {
        if case .inline(let buffer) = content { return ContentTraits(of: buffer) }
        var scanner = ContentScanner()
        try await self.forEachPiece(of: content) { scanner.scan($0) }
        return scanner.traits
    }

    // MARK: Reports

    private func report(_ recipient: QueuedRecipient, _ outcome: ClientTransaction.Outcome) -> RecipientReport {
        self.report(recipient, outcome, host: self.host)
    }

    private func report(
        _ recipient: QueuedRecipient,
        _ outcome: ClientTransaction.Outcome,
        host: String?
    ) -> RecipientReport {
        let (result, reply): (RecipientReport.Result, Reply) =
            switch outcome {
            case .delivered(let reply):
                (self.settings.dialect == .lmtp ? .delivered : .relayed(dsn: self.capabilities.notifications), reply)
            case .deferred(let reply), .again(let reply): (.deferred, reply)
            case .failed(let reply): (.failed, reply)
            }
        return RecipientReport(index: recipient.index, result: result, reply: reply, host: host)
    }

    private static func lost(_ failure: ConnectionFailure) -> Reply { Reply(451, .init(4, 2), "\(failure)") }
    private static let unreadable = Reply(451, .init(3, 0), "The message cannot be read now")
}

extension SMTPTransportSession: ProbingSession {
    /// `MAIL FROM:<>`, then RCPT; what was begun is reset before the next message.
    ///
    /// The null reverse-path is used so that nobody's mailbox is checked in turn (RFC 5321 section 4.5.5).
    func probe(_ mailbox: Mailbox) async -> RecipientProbeAnswer {
        guard mailbox.isASCII || self.capabilities.internationalized else {
            return .unavailable("the next hop does not take internationalized mail")
        }
        let parameter = mailbox.isASCII ? "" : " SMTPUTF8"
        do {
            if self.needsReset { _ = try await self.command("RSET") }
            self.needsReset = true
            let sender = try await self.command("MAIL FROM:<>\(parameter)")
            guard sender.code.replyClass == .completion else { return .unavailable("\(sender)") }
            return RecipientProbeAnswer(to: try await self.command("RCPT TO:<\(mailbox)>"))
        } catch {
            self.isOpen = false
            return .unavailable("\(error)")
        }
    }

    private func command(_ line: String) async throws(ConnectionFailure) -> Reply {
        await self.connection.send(ByteBuffer(string: line + "\r\n"))
        let reply = try await self.connection.reply(within: self.settings.timeouts.recipient)
        if reply.code == 421 { self.isOpen = false }
        return reply
    }
}
