import NIOCore
import TransportSecurity

/// Brings the channel's events to the session; both live on the same event loop.
///
/// What comes before the session is there to take it is kept: a client that says all it has to say in one go and shuts its sending
/// side may be done by then.
final class SessionChannelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var session: SMTPSession?
    /// What has come for nobody yet.
    private(set) var earlyInput = ByteBuffer()
    /// Whether nothing more comes.
    private(set) var hasEarlyEnd = false

    /// The session takes over.
    func attach(_ session: SMTPSession) { self.session = session }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = self.unwrapInboundIn(data)
        guard let session = self.session else {
            self.earlyInput.writeImmutableBuffer(buffer)
            return
        }
        session.assumeIsolated { session in
            var buffer = buffer
            session.received(&buffer)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.session?.assumeIsolated { $0.inputArrived() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.session?.assumeIsolated { $0.disconnected() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.session?.assumeIsolated { $0.writabilityChanged() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed = event as? ChannelEvent {
            guard let session = self.session else { return self.hasEarlyEnd = true }
            session.assumeIsolated { $0.inputEnded() }
        } else if let event = event as? TLSEvent {
            self.session?.assumeIsolated { $0.tlsEvent(event) }
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let failure = error as? TLSFailure { self.session?.assumeIsolated { $0.tlsFailed(failure) } }
        context.close(promise: nil)  // a broken connection ends like one that the client closed
    }
}
