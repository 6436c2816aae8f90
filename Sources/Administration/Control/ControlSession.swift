import Foundation
import NIOCore

/// One request on the control socket and its answer.
struct ControlSession {
    let handler: any ControlHandler
    let limits: ControlLimits
    let output: NIOAsyncChannelOutboundWriter<ByteBuffer>

    /// Entries of a listing are written together up to about this many octets.
    private static let chunk = 32 * 1024

    /// Reads the request.
    ///
    /// - Returns: `nil` when there was none, or the client has been told what is wrong with it.
    func request(
        from input: NIOAsyncChannelInboundStream<ByteBuffer>,
        of channel: any Channel
    ) async throws -> ControlRequest? {
        let end = channel.eventLoop.scheduleTask(in: TimeAmount(self.limits.requestTime)) {
            channel.close(promise: nil)
        }
        defer { end.cancel() }
        do {
            var lines = LineAssembler(limit: self.limits.requestSize)
            for try await bytes in input {
                lines.feed(bytes)
                if let line = try lines.nextLine() {
                    return try ControlLine.decode(ControlRequest.self, from: line)
                }
            }
            // The client has closed its side without a line end.
            guard lines.rest.readableBytes > 0 else { return nil }
            return try ControlLine.decode(ControlRequest.self, from: lines.rest)
        } catch is LineAssembler.LineTooLong {
            try await self.refuse(.invalidRequest, "the request is longer than \(self.limits.requestSize) octets")
        } catch let error as DecodingError {
            try await self.refuse(.invalidRequest, "the request is not understood: \(error.briefly)")
        }
        return nil
    }

    /// Ends the answer with a failure.
    func refuse(_ reason: ControlFailure.Reason, _ text: String) async throws {
        try await self.write([.failure(ControlFailure(reason, text))])
    }

    /// Carries a request out and writes the answer.
    ///
    /// - Throws: only when the client cannot be written to; what the handler throws becomes a failure.
    func answer(_ request: ControlRequest) async throws {
        let responses: [ControlResponse]
        do {
            switch request {
            case .queueList(let filter, let limit, let after):
                return try await self.list(filter, limit: limit ?? .max, after: after)
            case .status:
                responses = [.status(try await self.handler.status())]
            case .queueShow(let id):
                guard let entry = try await self.handler.queueShow(id) else {
                    throw ControlFailure(.notFound, "there is no message \(id) in the queue")
                }
                responses = [.entry(entry)]
            case .queueRetry(let selector):
                responses = [.changed(try await self.handler.queueRetry(try selector.checked))]
            case .queueHold(let selector, let reason):
                responses = [.changed(try await self.handler.queueHold(try selector.checked, reason: reason))]
            case .queueRelease(let selector):
                responses = [.changed(try await self.handler.queueRelease(try selector.checked))]
            case .queueDelete(let selector):
                responses = [.changed(try await self.handler.queueDelete(try selector.checked))]
            case .queueSuspend(let destinations):
                responses = [.changed(try await self.handler.queueSuspend(try Self.checked(destinations)))]
            case .queueResume(let destinations):
                responses = [.changed(try await self.handler.queueResume(try Self.checked(destinations)))]
            case .reload:
                responses = [.reloaded(try await self.handler.reload())]
            case .tlsTest(let target):
                responses = [.tls(try await self.handler.tlsTest(target))]
            case .tlsReports(let domain):
                responses = [.answer(try await self.handler.tlsReports(domain))]
            case .pluginList:
                responses = try await self.handler.pluginList().map { .plugin($0) }
            case .pluginRun(let name, let request):
                responses = [.answer(try await self.handler.pluginRun(name, request))]
            }
        } catch {
            return try await self.write([.failure(ControlFailure(error))])
        }
        try await self.write(responses + [.end(ListingEnd())])
    }

    private static func checked(_ destinations: [String]) throws(ControlFailure) -> [String] {
        guard !destinations.isEmpty else { throw ControlFailure(.invalidRequest, "no destination is named") }
        return destinations
    }

    /// Writes a listing page by page, as fast as the client reads.
    private func list(_ filter: MessageFilter, limit: Int, after: String?) async throws {
        guard limit > 0 else { return try await self.refuse(.invalidRequest, "the limit must be at least 1") }
        var remaining = limit
        var position = after
        var buffer = ByteBuffer()
        repeat {
            let page: QueueEntryPage
            do {
                let size = min(remaining, ControlServer.pageSize)
                page = try await self.handler.queueList(filter, limit: size, after: position)
            } catch {
                try ControlLine.append(ControlResponse.failure(ControlFailure(error)), to: &buffer)
                return try await self.output.write(buffer)
            }
            for entry in page.entries.prefix(remaining) {
                try ControlLine.append(ControlResponse.entry(entry), to: &buffer)
                if buffer.readableBytes >= Self.chunk {
                    try await self.output.write(buffer)
                    buffer = ByteBuffer()
                }
            }
            remaining -= min(page.entries.count, remaining)
            position = page.next
        } while position != nil && remaining > 0
        try ControlLine.append(ControlResponse.end(ListingEnd(next: position)), to: &buffer)
        try await self.output.write(buffer)
    }

    private func write(_ responses: [ControlResponse]) async throws {
        var buffer = ByteBuffer()
        for response in responses { try ControlLine.append(response, to: &buffer) }
        try await self.output.write(buffer)
    }
}

extension MessageSelector {
    /// The selector, unless it selects nothing or, without saying so, everything.
    fileprivate var checked: MessageSelector {
        get throws(ControlFailure) {
            switch self {
            case .messages(let ids):
                guard !ids.isEmpty else { throw ControlFailure(.invalidRequest, "no message is named") }
            case .matching(let filter):
                guard !filter.isEmpty else { throw ControlFailure(.invalidRequest, "the filter asks for nothing") }
            case .all: break
            }
            return self
        }
    }
}

extension ControlFailure {
    /// What the operator is told of an error.
    fileprivate init(_ error: any Error) {
        switch error {
        case let failure as ControlFailure: self = failure
        case is CancellationError: self.init(.busy, "the hub is about to stop")
        default: self.init(.failed, String(describing: error))
        }
    }
}

extension DecodingError {
    /// What is wrong, and where.
    fileprivate var briefly: String {
        switch self {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context),
            .dataCorrupted(let context):
            let place = context.codingPath.map(\.stringValue).joined(separator: ".")
            return place.isEmpty ? context.debugDescription : "\(place): \(context.debugDescription)"
        @unknown default: return "not JSON"
        }
    }
}
