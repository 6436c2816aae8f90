package import NIOCore

/// What happens to the TLS of a channel, told to the handlers behind it.
package enum TLSEvent: Sendable {
    /// The handshake is done; plain text may follow.
    case established(TLSParameters)
    /// Nothing more comes: said by the peer (close_notify), or the connection just ended, perhaps by an attacker's hand
    /// (RFC 8446 section 6.1).
    case closed(isClean: Bool)
}

/// Encrypts and decrypts what goes through a channel (TLS 1.2 and 1.3, RFC 5246 and 8446).
///
/// Put in front of the handlers that speak the protocol, it does the handshake as soon as the channel is active. Input is
/// decrypted as it comes, one read of the socket at a time, and nothing is read that nobody has asked for; so what is held
/// is bounded by one read and one record. A failure is told as an error, and ends the connection.
package final class TLSHandler: ChannelDuplexHandler {
    package typealias InboundIn = ByteBuffer
    package typealias InboundOut = ByteBuffer
    package typealias OutboundIn = ByteBuffer
    package typealias OutboundOut = ByteBuffer

    private enum State {
        /// The channel is not active.
        case idle
        case handshaking(Scheduled<Void>)
        case open
        /// The peer has sent close_notify; told to the others when they ask for more input.
        case peerClosed
        case closed
    }
    private var state = State.idle
    private let connection: TLSConnection
    private let handshakeTime: TimeAmount
    /// Plain text that has not been encrypted yet.
    private var waiting = CircularBuffer<(ByteBuffer, EventLoopPromise<Void>?)>()
    private var isFlushWanted = false
    /// The handlers behind have asked for input and not got any since.
    private var isReadWanted = false
    /// The channel itself has been asked for input.
    private var facts: TLSParameters?

    /// The server's side, with the certificates that are in force now.
    package init(server: ServerTLS) throws(TLSFailure) {
        self.connection = try TLSConnection(server: server.contexts)
        self.handshakeTime = TimeAmount(server.settings.handshakeTime)
    }

    /// The client's side.
    package init(client: ClientTLS, expecting expectation: TLSExpectation, handshakeTime: Duration) throws(TLSFailure) {
        self.connection = try TLSConnection(client: client, expectation)
        self.handshakeTime = TimeAmount(handshakeTime)
    }

    /// What ties an authentication to this connection: nothing before the handshake, or where there is no such thing.
    ///
    /// A server may have several values, each as good as the others: of a session that is resumed, it does not know with which of
    /// its certificates that began.
    package func channelBindings(_ kind: ChannelBinding) -> [[UInt8]] {
        self.facts == nil ? [] : self.connection.bindings(kind)
    }

    /// What the server has shown, its own certificate first; for clients.
    package var peerCertificates: [CertificateFacts] { self.facts == nil ? [] : self.connection.peerCertificates }

    // MARK: The channel

    package func handlerAdded(context: ChannelHandlerContext) {
        if context.channel.isActive { self.begin(context) }
    }

    package func handlerRemoved(context: ChannelHandlerContext) { self.stop(.unavailable) }

    package func channelActive(context: ChannelHandlerContext) {
        context.fireChannelActive()
        if case .idle = self.state { self.begin(context) }
    }

    package func channelInactive(context: ChannelHandlerContext) {
        switch self.state {
        case .handshaking:
            self.stop(.closedInHandshake)
            context.fireErrorCaught(TLSFailure.closedInHandshake)
        case .open:
            self.stop(.closedInHandshake)
            context.fireUserInboundEventTriggered(TLSEvent.closed(isClean: false))
        case .peerClosed:
            self.stop(.closedInHandshake)
            context.fireUserInboundEventTriggered(TLSEvent.closed(isClean: true))
        case .idle, .closed:
            self.stop(.closedInHandshake)
        }
        context.fireChannelInactive()
    }

    private func begin(_ context: ChannelHandlerContext) {
        let box = NIOLoopBound((self, context), eventLoop: context.eventLoop)
        let timer = context.eventLoop.scheduleTask(in: self.handshakeTime) {
            let (handler, context) = box.value
            if case .handshaking = handler.state { handler.fail(context, .handshakeTimedOut) }
        }
        self.state = .handshaking(timer)
        self.advance(context)
    }

    /// Ends what waits; idempotent.
    private func stop(_ failure: TLSFailure) {
        if case .handshaking(let timer) = self.state { timer.cancel() }
        self.state = .closed
        while let (_, promise) = self.waiting.popFirst() { promise?.fail(failure) }
    }

    private func fail(_ context: ChannelHandlerContext, _ failure: TLSFailure) {
        self.stop(failure)
        self.sendRecords(context, promise: nil)  // the alert
        context.fireErrorCaught(failure)
        context.close(promise: nil)
    }

    // MARK: Input

    package func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = self.unwrapInboundIn(data)
        if case .closed = self.state { return }
        if self.connection.buffers.incoming.readableBytes == 0 {
            self.connection.buffers.incoming = buffer
        } else {
            self.connection.buffers.incoming.writeBuffer(&buffer)
        }
    }

    package func channelReadComplete(context: ChannelHandlerContext) { self.advance(context) }

    package func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // TLS has its own way to say that nothing more comes: a connection that just ends is at its end.
        if case .inputClosed = event as? ChannelEvent { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    package func read(context: ChannelHandlerContext) {
        self.isReadWanted = true
        switch self.state {
        case .peerClosed: self.answerClose(context)
        case .idle, .handshaking, .open: context.read()
        case .closed: break
        }
    }

    /// Does what can be done with the records that are there.
    private func advance(_ context: ChannelHandlerContext) {
        if case .handshaking(let timer) = self.state {
            switch self.connection.handshake() {
            case .done:
                timer.cancel()
                self.establish(context)
            case .needsInput:
                self.sendRecords(context, promise: nil)
                return context.read()
            case .peerClosed:
                return self.fail(context, .closedInHandshake)
            case .failed(let failure):
                return self.fail(context, failure)
            }
        }
        if case .open = self.state { self.decrypt(context) }
    }

    private func establish(_ context: ChannelHandlerContext) {
        self.state = .open
        self.connection.keepSession()
        let facts = self.connection.facts
        self.facts = facts
        context.fireUserInboundEventTriggered(TLSEvent.established(facts))
        if self.isFlushWanted { self.encrypt(context) }
    }

    private func decrypt(_ context: ChannelHandlerContext) {
        let size = self.connection.buffers.incoming.readableBytes
        var plaintext = context.channel.allocator.buffer(capacity: size + 1024)
        let end = self.connection.read(into: &plaintext)
        if self.connection.buffers.incoming.readableBytes == 0 { self.connection.buffers.incoming = ByteBuffer() }
        if case .peerClosed = end { self.state = .peerClosed }
        if plaintext.readableBytes > 0 {
            self.isReadWanted = false
            context.fireChannelRead(self.wrapInboundOut(plaintext))
            context.fireChannelReadComplete()
        }
        // The end of the handshake, answers to key updates, and alerts: with what has been answered meanwhile, but not later. A client's
        // next packet may wait until the last one is acknowledged (RFC 896), which a packet from here does at once; else that takes
        // 40 ms.
        self.sendRecords(context, promise: nil)
        switch (end, self.state) {
        case (_, .closed): break  // the handlers behind have closed meanwhile
        case (.failed(let failure), _): self.fail(context, failure)
        case (.peerClosed, .peerClosed): if self.isReadWanted { self.answerClose(context) }
        case (.needsInput, .open) where self.isReadWanted && plaintext.readableBytes == 0:
            // A peer that asks for new keys again and again and takes no answer is not read from.
            if context.channel.isWritable { context.read() }
        case (.needsInput, _), (.peerClosed, _), (.done, _): break
        }
    }

    /// There is room again for what is sent: the peer is read from, if somebody waits for it.
    package func channelWritabilityChanged(context: ChannelHandlerContext) {
        if context.channel.isWritable, case .open = self.state, self.isReadWanted { context.read() }
        context.fireChannelWritabilityChanged()
    }

    /// The peer sends no more, and everything that it sent has been taken.
    private func answerClose(_ context: ChannelHandlerContext) {
        context.fireUserInboundEventTriggered(TLSEvent.closed(isClean: true))
        guard case .peerClosed = self.state else { return }
        self.close(context: context, mode: .all, promise: nil)
    }

    // MARK: Output

    package func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        if case .closed = self.state {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        self.waiting.append((self.unwrapOutboundIn(data), promise))
    }

    package func flush(context: ChannelHandlerContext) {
        switch self.state {
        case .idle, .handshaking: self.isFlushWanted = true
        case .open, .peerClosed: self.encrypt(context)
        case .closed: context.flush()
        }
    }

    private func encrypt(_ context: ChannelHandlerContext) {
        self.isFlushWanted = false
        var first: EventLoopPromise<Void>?
        while let (plaintext, promise) = self.waiting.popFirst() {
            if let failure = self.connection.write(plaintext) {
                promise?.fail(failure)
                first?.fail(failure)
                return self.fail(context, failure)
            }
            guard let promise else { continue }
            if let first { first.futureResult.cascade(to: promise) } else { first = promise }
        }
        self.sendRecords(context, promise: first)
    }

    /// Hands the records that OpenSSL has written to the channel.
    private func sendRecords(_ context: ChannelHandlerContext, promise: EventLoopPromise<Void>?) {
        guard self.connection.buffers.outgoing.readableBytes > 0 else {
            promise?.succeed()
            return
        }
        let records = self.connection.buffers.outgoing
        self.connection.buffers.outgoing = ByteBuffer()
        context.writeAndFlush(self.wrapOutboundOut(records), promise: promise)
    }

    package func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        switch (self.state, mode) {
        case (_, .input), (.closed, _): break
        case (.open, _), (.peerClosed, _):
            if self.isFlushWanted { self.encrypt(context) }
            self.connection.close()
            self.sendRecords(context, promise: nil)
            if mode == .all { self.stop(.closedInHandshake) }
        case (.idle, _), (.handshaking, _):
            if mode == .all { self.stop(.closedInHandshake) }
        }
        context.close(mode: mode, promise: promise)
    }
}
