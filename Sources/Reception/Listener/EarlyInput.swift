import NIOCore

/// Keeps what comes before the session is there to take it: a client that says all it has to say in one go and shuts its sending
/// side may be done by then.
final class EarlyInput: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer

    /// What has come.
    private(set) var input = ByteBuffer()
    /// Whether nothing more comes.
    private(set) var hasEnded = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = self.unwrapInboundIn(data)
        self.input.writeBuffer(&buffer)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed = event as? ChannelEvent { self.hasEnded = true }
        context.fireUserInboundEventTriggered(event)
    }
}
