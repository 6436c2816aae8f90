import NIOCore
import TransportSecurity

/// Brings the channel's events to the session; both live on the same event loop.
final class SessionChannelHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let session: SMTPSession

    init(_ session: SMTPSession) { self.session = session }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = self.unwrapInboundIn(data)
        self.session.assumeIsolated { session in
            var buffer = buffer
            session.received(&buffer)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        self.session.assumeIsolated { $0.inputArrived() }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.session.assumeIsolated { $0.disconnected() }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        self.session.assumeIsolated { $0.writabilityChanged() }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed = event as? ChannelEvent {
            self.session.assumeIsolated { $0.inputEnded() }
        } else if let event = event as? TLSEvent {
            self.session.assumeIsolated { $0.tlsEvent(event) }
        } else {
            context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let failure = error as? TLSFailure { self.session.assumeIsolated { $0.tlsFailed(failure) } }
        context.close(promise: nil)  // a broken connection ends like one that the client closed
    }
}
