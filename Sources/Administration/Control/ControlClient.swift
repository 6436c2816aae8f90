import Glibc
package import NIOCore
import NIOPosix

/// Why the hub could not be asked.
package enum ControlClientError: Error, Hashable, Sendable {
    /// No hub answers there.
    case notRunning(path: String)
    /// The socket belongs to another user.
    case permissionDenied(path: String)
    /// The kernel allows 107 octets.
    case pathTooLong(path: String)
    /// The answer broke off: the hub was stopped, or the answer was read too slowly.
    case incompleteAnswer
    /// What answers there is no hub, or one of another release.
    case notUnderstood(String)
    /// Connecting failed in an unusual way.
    case system(path: String, text: String)
}

extension ControlClientError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notRunning(let path): "no hub answers on \(path): is it running, and is this its control socket?"
        case .permissionDenied(let path): "permission denied on \(path): run this as root or as the user of the hub"
        case .pathTooLong(let path): "the path of the control socket is longer than 107 octets: \(path)"
        case .incompleteAnswer: "the hub closed the connection before its answer was complete"
        case .notUnderstood(let text): "the answer of the hub is not understood: \(text)"
        case .system(let path, let text): "cannot connect to \(path): \(text)"
        }
    }
}

/// Asks a running hub through its control socket.
package struct ControlClient: Sendable {
    private let path: String
    private let group: any EventLoopGroup

    /// The longest line of an answer that is accepted, in octets: a message with very many recipients.
    private static let longestLine = 64 * 1024 * 1024

    /// - Parameter path: of the control socket.
    package init(path: String, group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton) {
        self.path = path
        self.group = group
    }

    /// Sends one request and hands over each line of the answer but the last as it arrives.
    ///
    /// The time that `receive` takes holds the hub back, so that an answer of any length takes little memory.
    ///
    /// - Returns: where a listing ended.
    /// - Throws: `ControlClientError`; the `ControlFailure` that the hub answered; what `receive` throws.
    @discardableResult
    package func send(
        _ request: ControlRequest,
        receive: (ControlResponse) throws -> Void
    ) async throws -> ListingEnd {
        var line = ByteBuffer()
        try ControlLine.append(request, to: &line)
        let connection = try await self.connect()
        return try await connection.executeThenClose { inbound, outbound in
            // A hub that is busy may answer and close before it has read anything: its answer says more than our error.
            try? await outbound.write(line)
            var lines = LineAssembler(limit: Self.longestLine)
            do {
                for try await bytes in inbound {
                    lines.feed(bytes)
                    while let line = try lines.nextLine() {
                        switch try Self.response(line) {
                        case .end(let end): return end
                        case .failure(let failure): throw failure
                        case let response: try receive(response)
                        }
                    }
                }
            } catch is IOError {
                throw ControlClientError.incompleteAnswer
            } catch is LineAssembler.LineTooLong {
                throw ControlClientError.notUnderstood("a line of more than \(Self.longestLine) octets")
            }
            throw ControlClientError.incompleteAnswer
        }
    }

    private static func response(_ line: ByteBuffer) throws(ControlClientError) -> ControlResponse {
        do {
            return try ControlLine.decode(ControlResponse.self, from: line)
        } catch {
            throw .notUnderstood(String(String(buffer: line).prefix(200)))
        }
    }

    private func connect() async throws -> NIOAsyncChannel<ByteBuffer, ByteBuffer> {
        guard self.path.utf8.count <= 107 else { throw ControlClientError.pathTooLong(path: self.path) }
        do {
            return try await ClientBootstrap(group: self.group).connect(unixDomainSocketPath: self.path) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel(wrappingChannelSynchronously: channel)
                }
            }
        } catch let error as IOError {
            switch error.errnoCode {
            case ENOENT, ECONNREFUSED, ENOTDIR: throw ControlClientError.notRunning(path: self.path)
            case EACCES, EPERM: throw ControlClientError.permissionDenied(path: self.path)
            default: throw ControlClientError.system(path: self.path, text: error.description)
            }
        }
    }
}
