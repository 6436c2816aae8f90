import MailHubPlugin
import NIOCore
import SMTP

/// Octets in and out, and the session's time limits.
extension SMTPSession {
    /// More input is not asked for while this much lies unread.
    private static let inputHighWater = 256 * 1024

    // MARK: Called by the channel handler, on the event loop

    func received(_ buffer: inout ByteBuffer) {
        self.isReadRequested = false
        // The time for a command is the time for all of it: an octet now and then does not prolong it.
        if !self.isBetweenCommands { self.lastActivity = self.eventLoop.now }
        if self.input.readableBytes == 0 { self.input = buffer } else { self.input.writeBuffer(&buffer) }
    }

    func disconnected() {
        self.isDisconnected = true
        self.handshakeWaiter.take()?.resume(returning: nil)
        self.runner.cancelCurrent()  // nobody waits for a plugin's answer any more
        self.inputArrived()
    }

    /// The client sends no more; it may have gone, or just have said all that it has to say.
    ///
    /// Where commands are left, it gets their replies; where none are, nobody waits for what is under way.
    func inputEnded() {
        guard self.input.readableBytes > 0, !self.isClosing else { return self.channel.close(promise: nil) }
        self.hasInputEnded = true
        self.inputArrived()
    }

    func writabilityChanged() { self.requestRead() }

    // MARK: Output

    /// Adds a reply to what leaves at the next flush.
    func reply(_ reply: Reply) {
        guard !self.isDisconnected else { return }
        self.logger.trace("reply", metadata: ["reply": "\(reply)"])
        reply.write(to: &self.output)
    }

    /// Replies, and counts the client's mistake: too many end the session (RFC 5321 section 7.8).
    func refuse(_ reply: Reply) {
        self.reply(reply)
        if reply.code.replyClass == .permanentFailure { self.countError() }
    }

    /// Counts a mistake of the client.
    func countError() {
        self.errors += 1
        self.note(.error)
        guard
            self.errors >= self.listener.limits.errors
                || self.isExhausted(self.listener.limits.errorsPerClient, .error)
        else { return }
        self.logger.info("too many errors", metadata: ["errors": "\(self.errors)"])
        self.end(with: .tooManyErrors(hostname: self.settings.hostname))
    }

    // MARK: Limits of the client, over all of its connections

    /// Counts for the client's limits; relay clients are the site's own hosts and have none.
    func note(_ event: ClientRates.Event) {
        guard !self.isRelayClient else { return }
        self.rates.note(event, of: self.clientAddress, at: self.eventLoop.now)
    }

    /// Whether the client has used up a limit.
    func isExhausted(_ limit: Int?, _ event: ClientRates.Event) -> Bool {
        !self.isRelayClient && self.rates.isExhausted(limit, event, of: self.clientAddress, at: self.eventLoop.now)
    }

    /// Replies for the last time; the connection is closed behind it.
    func end(with reply: Reply) {
        self.reply(reply)
        self.sequence.close()
        self.contextChanged()
        self.isClosing = true
    }

    /// Sends the replies collected so far.
    func flush() {
        if self.output.readableBytes > 0, !self.isDisconnected {
            let bytes = self.output
            self.output = ByteBuffer()
            self.channel.writeAndFlush(bytes, promise: nil)
        }
        if self.input.readableBytes == 0 { self.input = ByteBuffer() }  // an idle session holds no buffer
        if self.isClosing, !self.isDisconnected { self.channel.close(promise: nil) }
    }

    // MARK: Input

    /// Asks for more input, unless there is enough, or the client does not take our replies.
    func requestRead() {
        guard !self.isReadRequested, !self.isClosing, !self.isDisconnected, !self.hasInputEnded,
            self.channel.isWritable,
            self.input.readableBytes < Self.inputHighWater
        else { return }
        self.isReadRequested = true
        if self.waitsAnew || !self.isBetweenCommands {
            self.waitsAnew = false
            self.lastActivity = self.eventLoop.now  // its time begins when we wait for it, not while a hook is asked
        }
        self.channel.read()
    }

    // MARK: Time

    /// One timer a session: at its end it looks when the client was last heard of, and is set again for the rest.
    func startTimer() {
        self.lastActivity = self.eventLoop.now
        self.schedule(at: self.lastActivity + TimeAmount(self.timeLimit))
    }

    private var timeLimit: Duration {
        switch self.mode {
        case .commands, .authentication: self.listener.limits.commandTime
        case .data, .chunk: self.listener.limits.dataTime
        }
    }

    /// Octets a second that content must come with, on average, when it takes longer than `dataTime`.
    private static let slowestRate = 500

    /// Whether content trickles in: each octet in time, and no end to it.
    private var isTooSlow: Bool {
        guard !self.isBetweenCommands, self.isReadRequested, let transaction = self.transaction,
            let began = transaction.contentBegan
        else { return false }
        let allowed =
            TimeAmount(self.listener.limits.dataTime)
            + .seconds(Int64(clamping: transaction.size / Self.slowestRate))
        return self.eventLoop.now - began > allowed
    }

    private func schedule(at deadline: NIODeadline) {
        self.timer = self.eventLoop.scheduleTask(deadline: deadline) {
            self.assumeIsolated { $0.timerFired() }
        }
    }

    private func timerFired() {
        guard !self.isDisconnected else { return }
        let limit = self.lastActivity + TimeAmount(self.timeLimit)
        if !self.isReadRequested {
            // We are at work, or the client does not read: its time begins when we wait for it.
            guard !self.isClosing else { return self.channel.close(promise: nil) }
            if self.channel.isWritable { self.lastActivity = self.eventLoop.now }
        }
        guard limit <= self.eventLoop.now || self.isTooSlow else { return self.schedule(at: limit) }
        guard self.isReadRequested || !self.channel.isWritable else {
            return self.schedule(at: self.eventLoop.now + TimeAmount(self.timeLimit))
        }
        self.logger.info("client timed out")
        self.end(with: .timedOut(hostname: self.settings.hostname))
        self.flush()
    }
}

extension Reply {
    /// What a session is told that a plugin refused without a fitting reply.
    static let sessionRefused = Reply(554, .init(7, 1), "No service for you")

    /// The reply, where its class is the one that the outcome demands; a plugin's slip does not turn a refusal around.
    func withClass(_ wanted: ReplyClass, else fallback: Reply) -> Reply {
        self.code.replyClass == wanted ? self : fallback
    }
}
