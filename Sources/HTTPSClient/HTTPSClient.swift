package import NIOCore
import NIOHTTP1
import NIOPosix
package import SMTP
package import TransportSecurity

/// Asks web servers, each question over a connection of its own, with the server's certificate verified.
///
/// It follows no redirects and caches nothing: what asks it must not have that (RFC 8461 section 3.3).
package struct HTTPSClient: Sendable {
    private let tls: ClientTLS
    private let eventLoop: @Sendable () -> any EventLoop
    private let timeLimit: Duration
    private let largestBody: Int

    /// - Parameters:
    ///   - tls: with the authorities that are trusted.
    ///   - timeLimit: for a question as a whole.
    ///   - largestBody: octets of an answer at most.
    package init(tls: ClientTLS, eventLoops: any EventLoopGroup, timeLimit: Duration, largestBody: Int) {
        self.tls = tls
        self.eventLoop = { eventLoops.next() }
        self.timeLimit = timeLimit
        self.largestBody = largestBody
    }

    /// Asks at the first address that takes the connection.
    package func send(_ request: HTTPSRequest, to addresses: [IPAddress]) async throws(HTTPSFailure) -> HTTPSResponse {
        var last = HTTPSFailure.unreachable("\(request.host) has no address")
        let end = ContinuousClock.now + self.timeLimit
        for address in addresses.prefix(4) {
            do {
                return try await self.send(request, to: address, within: max(end - .now, .milliseconds(1)))
            } catch {
                last = error
                guard case .unreachable = error else { break }
            }
            if Task.isCancelled || ContinuousClock.now >= end { break }
        }
        throw last
    }

    private func send(
        _ request: HTTPSRequest,
        to address: IPAddress,
        within limit: Duration
    ) async throws(HTTPSFailure) -> HTTPSResponse {
        let eventLoop = self.eventLoop()
        let promise = eventLoop.makePromise(of: HTTPSResponse.self)
        let expectation = TLSExpectation(
            serverName: request.host,
            identities: [request.host],
            ignoresCommonName: true,
            isVerified: true,
            sessionKey: "https \(request.host) \(address) \(request.port)"
        )
        let (tls, largestBody) = (self.tls, self.largestBody)
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(TimeAmount(limit))
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(TLSHandler(client: tls, expecting: expectation, handshakeTime: limit))
                    try pipeline.addHandler(HTTPRequestEncoder())
                    try pipeline.addHandler(ByteToMessageHandler(HTTPResponseDecoder()))
                    try pipeline.addHandler(HTTPSExchange(request, largestBody: largestBody, promise))
                }
            }
        let channel: any Channel
        do {
            channel = try await bootstrap.connect(host: address.description, port: request.port).get()
        } catch {
            promise.fail(HTTPSFailure.timedOut)  // nobody waits for it
            throw .unreachable("\(request.host) [\(address)] does not answer")
        }
        let timer = eventLoop.scheduleTask(in: TimeAmount(limit)) {
            promise.fail(HTTPSFailure.timedOut)
            channel.close(promise: nil)
        }
        defer {
            timer.cancel()
            channel.close(promise: nil)
        }
        do {
            return try await withTaskCancellationHandler {
                try await promise.futureResult.get()
            } onCancel: {
                channel.close(promise: nil)  // ends the wait
            }
        } catch {
            throw error as? HTTPSFailure ?? .malformed("\(error)")
        }
    }
}

/// Says the request when the connection is safe, and gathers the answer.
private final class HTTPSExchange: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let request: HTTPSRequest
    private let largestBody: Int
    private let promise: EventLoopPromise<HTTPSResponse>
    private var head: HTTPResponseHead?
    private var body: [UInt8] = []
    /// Whether the promise is kept.
    private var isOver = false

    init(_ request: HTTPSRequest, largestBody: Int, _ promise: EventLoopPromise<HTTPSResponse>) {
        self.request = request
        self.largestBody = largestBody
        self.promise = promise
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .closed(isClean: false) = event as? TLSEvent {
            // Somebody in the middle may have cut it off: without a length nobody would notice (RFC 8446 section 6.1).
            return self.end(context, .failure(.malformed("\(self.request.host): the answer is cut off")))
        }
        guard case .established = event as? TLSEvent else { return context.fireUserInboundEventTriggered(event) }
        var headers = HTTPHeaders()
        let port = self.request.port == 443 ? "" : ":\(self.request.port)"
        headers.add(name: "Host", value: self.request.host + port)
        headers.add(name: "User-Agent", value: "MailHub")
        headers.add(name: "Accept-Encoding", value: "identity")
        headers.add(name: "Connection", value: "close")
        if let type = self.request.contentType { headers.add(name: "Content-Type", value: type) }
        if self.request.method == .post { headers.add(name: "Content-Length", value: "\(self.request.body.count)") }
        let head = HTTPRequestHead(
            version: .http1_1,
            method: self.request.method == .get ? .GET : .POST,
            uri: self.request.path,
            headers: headers
        )
        context.write(self.wrapOutboundOut(.head(head)), promise: nil)
        if !self.request.body.isEmpty {
            context.write(self.wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: self.request.body)))), promise: nil)
        }
        context.writeAndFlush(self.wrapOutboundOut(.end(nil)), promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch self.unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body(let part):
            guard self.body.count + part.readableBytes <= self.largestBody else {
                return self.end(context, .failure(.malformed("the answer is too long")))
            }
            self.body += part.readableBytesView
        case .end:
            guard let head = self.head else { return }
            let type = head.headers.first(name: "Content-Type") ?? ""
            let mediaType = type.prefix { $0 != ";" }.lowercased().trimming { $0 == " " || $0 == "\t" }
            let response = HTTPSResponse(status: Int(head.status.code), mediaType: mediaType, body: self.body)
            self.end(context, .success(response))
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let failure = error as? TLSFailure {
            self.end(context, .failure(.insecure("\(self.request.host): \(failure)")))
        } else {
            self.end(context, .failure(.malformed("\(self.request.host): the answer is not HTTP")))
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        self.end(context, .failure(.malformed("\(self.request.host) has closed the connection")))
    }

    private func end(_ context: ChannelHandlerContext, _ result: Result<HTTPSResponse, HTTPSFailure>) {
        guard !self.isOver else { return }
        self.isOver = true
        self.promise.completeWith(result.mapError { $0 as any Error })
        context.close(promise: nil)
    }
}

extension String {
    fileprivate func trimming(_ isLeftOut: (Character) -> Bool) -> String {
        String(self.drop(while: isLeftOut).reversed().drop(while: isLeftOut).reversed())
    }
}
