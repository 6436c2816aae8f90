import InternetMessage
import MailHubPlugin
import MailQueue
import NIOCore
import SMTP
import TransportSecurity

/// The content of a message on its way from the wire to the spool.
extension SMTPSession {
    /// Content is written out when this much has come together.
    private static let spoolThreshold = QueueLimits.inlineContent

    /// Prepares for content: the Received field goes on top of it (RFC 5321 section 4.4).
    func openSpool() {
        self.transaction?.contentBegan = self.eventLoop.now
        guard let envelope = self.sequence.envelope, let hello = self.sequence.hello,
            let transaction = self.transaction
        else { return }
        let onlyRecipient = envelope.recipients.count == 1 ? envelope.recipients.first?.mailbox : nil
        var field = ReceivedField(
            helloName: hello.name,
            clientAddress: self.clientAddress,
            host: self.settings.host,
            transmission: self.transmissionType(hello, envelope),
            identifier: transaction.identifier,
            // Blind copies stay blind: only a message with one recipient names it (RFC 5321 section 7.2).
            recipient: onlyRecipient,
            date: DateTime(self.services.clock.now)
        )
        field.cipherSuite = self.security?.cipherSuite
        field.tlsVersion = self.security?.version
        var buffer = ByteBuffer()
        field.write(into: &buffer)
        self.transaction?.traceLength = buffer.readableBytes
        self.transaction?.buffer = buffer
        self.transaction?.spool = self.services.intake.content.spool(for: transaction.id)
    }

    private func transmissionType(_ hello: CommandSequence.Hello, _ envelope: Envelope) -> TransmissionType {
        let greeting: TransmissionType.Greeting =
            switch hello.kind {
            case .helo: .smtp
            case .ehlo: .esmtp
            case .lhlo: .lmtp
            }
        return TransmissionType(
            greeting,
            isEncrypted: self.security != nil,
            isAuthenticated: self.identity != nil,
            isInternationalized: envelope.isInternationalized
        )
    }

    /// A chunk all of whose octets have come.
    var isChunkComplete: Bool {
        if case .chunk(remaining: 0, _, _) = self.mode { true } else { false }
    }

    /// Takes content from the input.
    func receiveContent() -> Work? {
        switch self.mode {
        case .commands, .authentication:
            return nil
        case .data(var decoder):
            let ended = self.withContentBuffer { session, buffer in
                decoder.decode(&session.input, into: &buffer)
            }
            guard ended else {
                self.mode = .data(decoder)
                return self.workAfterContent()
            }
            if decoder.hasBareLineEnd { self.transaction?.hasBareLineEnd = true }
            self.mode = .commands
            self.sequence.contentReceived()
            return .endOfContent
        case .chunk(let remaining, let isLast, let refusal):
            return self.receiveChunk(remaining: remaining, isLast: isLast, refusal: refusal)
        }
    }

    private func receiveChunk(remaining: Int, isLast: Bool, refusal: Reply?) -> Work? {
        let count = min(remaining, self.input.readableBytes)
        if refusal == nil, let slice = self.input.getSlice(at: self.input.readerIndex, length: count) {
            self.transaction?.lineEnds.scan(slice)
            _ = self.withContentBuffer { _, buffer in buffer.writeImmutableBuffer(slice) }
        }
        if refusal != nil { self.droppedOctets += count }
        self.input.moveReaderIndex(forwardBy: count)
        self.mode = .chunk(remaining: remaining - count, isLast: isLast, discardedWith: refusal)
        guard remaining == count else { return self.workAfterContent() }
        self.mode = .commands
        if let refusal {
            self.refuse(refusal)
        } else if isLast {
            self.transaction?.lineEnds.finish()
            self.sequence.contentReceived()
            return .endOfContent
        } else if let failure = self.transaction?.failure {
            self.sequence.contentFailed()
            self.transactionWasReset()
            self.refuse(failure)
        } else {
            self.sequence.chunkReceived()
            self.reply(.ok)
            return self.workAfterContent()
        }
        return nil
    }

    /// Adds to the content through `body`, keeping count; content beyond the limit is dropped (RFC 1870 section 6.3).
    private func withContentBuffer<Result>(
        _ body: (isolated SMTPSession, inout ByteBuffer) -> Result
    ) -> Result {
        var buffer = ByteBuffer()
        if self.transaction?.failure == nil { self.swapContentBuffer(with: &buffer) }
        let before = buffer.readableBytes
        let result = body(self, &buffer)
        self.transaction?.size += buffer.readableBytes - before
        guard let transaction = self.transaction, transaction.failure == nil else { return result }
        if transaction.size > transaction.sizeLimit {
            self.transaction?.failure = .messageTooLarge
        } else {
            self.swapContentBuffer(with: &buffer)
        }
        return result
    }

    /// Takes the buffer out of the transaction, or puts it back: while it is written to, nobody else may hold it.
    private func swapContentBuffer(with buffer: inout ByteBuffer) {
        guard self.transaction != nil else { return }
        let other = self.transaction?.buffer ?? ByteBuffer()
        self.transaction?.buffer = buffer
        buffer = other
    }

    private func workAfterContent() -> Work? {
        if self.droppedOctets > 3 * self.listener.limits.messageSize {
            self.endEndlessContent(size: self.droppedOctets)
        }
        guard let transaction = self.transaction else { return nil }
        if transaction.failure == nil {
            return transaction.buffer.readableBytes > Self.spoolThreshold ? .spool : nil
        }
        if transaction.size > transaction.sizeLimit + 2 * self.listener.limits.messageSize {
            self.endEndlessContent(size: transaction.size)
        }
        return nil
    }

    private func endEndlessContent(size: Int) {
        self.logger.info("endless content", metadata: ["size": "\(size)"])
        self.end(with: Reply(421, .init(3, 4), "\(self.settings.hostname) message far too large, closing connection"))
    }

    func writeOutContent() async {
        guard let transaction = self.transaction, let spool = transaction.spool else { return }
        self.noteTraceCount(in: transaction.buffer)
        self.transaction?.buffer = ByteBuffer()
        do {
            try await spool.append(transaction.buffer)
        } catch {
            self.transaction?.failure = self.reply(to: error)
        }
    }

    /// Counts Received fields, and looks for `TLS-Required: No`, while the header section is at hand (RFC 5321 section 6.3,
    /// RFC 8689 section 3).
    func noteTraceCount(in content: ByteBuffer) {
        guard self.transaction?.receivedFields == nil else { return }
        let traits = ContentTraits(of: content)
        self.transaction?.receivedFields = traits.receivedCount
        if traits.tlsRequiredCount == 1 {
            self.transaction?.saysTLSOptional = HeaderSection(parsing: content).saysTLSOptional
        }
    }

    func reply(to error: StoreError) -> Reply {
        self.logger.error("message cannot be stored", metadata: ["error": "\(error)"])
        return error.reply
    }

    // MARK: The end of a transaction

    /// RSET, an accepted EHLO, a chunk that failed: what the transaction has stored is removed when the task is next at work.
    func transactionWasReset() {
        if let spool = self.transaction?.spool { self.leftovers.append(spool) }
        self.transaction = nil
    }

    /// Removes what dropped transactions have stored.
    func discardLeftovers() async {
        while let spool = self.leftovers.popLast() { await spool.discard() }
    }
}
