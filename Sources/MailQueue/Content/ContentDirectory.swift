package import NIOCore
package import NIOPosix
import SMTP

/// The folder of the contents that are too large for the store, and the threads that touch it.
package struct ContentDirectory: Sendable {
    /// Its path, without a slash at the end.
    package let path: String
    /// Where file calls are made, so that they block nobody's executor.
    let pool: NIOThreadPool
    let observer: CommitStepObserver?

    /// - Parameter pool: started, and shut down by its owner after the queue is closed.
    package init(path: String, pool: NIOThreadPool, observer: CommitStepObserver? = nil) {
        self.path = path
        self.pool = pool
        self.observer = observer
    }

    /// Makes the directory, readable by us alone.
    func create() throws(SystemCallFailure) { try PosixFile.makeDirectory(self.path) }

    /// A writer for the content of a new message.
    package func spool(for id: QueueID) -> ContentSpool { ContentSpool(directory: self, name: "\(id).eml") }

    /// Removes the file of a content that will not be queued.
    package func discard(_ content: StoredContent) async {
        guard case .file(let name, _) = content else { return }
        // A file that stays is swept at the next start.
        _ = try? await self.run { () throws(SystemCallFailure) in try PosixFile.unlink(self.path(of: name)) }
    }

    /// Reads a content piece by piece: memory does not grow with the message.
    ///
    /// - Parameters:
    ///   - offset: octets left out at the start: at least 0.
    ///   - size: octets of a piece at most.
    ///   - body: called for each piece in order, on the caller's executor; what it throws ends the reading.
    package func forEachPiece<Failure: Error>(
        of content: StoredContent,
        skipping offset: Int = 0,
        size: Int = 64 * 1024,
        _ body: (ByteBuffer) async throws(Failure) -> Void
    ) async throws(ContentReadingFailure<Failure>) {
        switch content {
        case .inline(var buffer):
            buffer.moveReaderIndex(forwardBy: min(offset, buffer.readableBytes))
            while let piece = buffer.readSlice(length: min(size, buffer.readableBytes)), piece.readableBytes > 0 {
                do { try await body(piece) } catch { throw .consumer(error) }
            }
        case .file(let name, let expected):
            let descriptor: Int32
            do {
                descriptor = try await self.run { () throws(SystemCallFailure) in
                    try PosixFile.openForReading(self.path(of: name))
                }
            } catch {
                throw .store(error)
            }
            defer { PosixFile.close(descriptor) }
            var count = 0
            while true {
                var piece: ByteBuffer
                do {
                    piece = try await self.run { () throws(SystemCallFailure) in
                        try PosixFile.read(descriptor, upTo: size)
                    }
                } catch {
                    throw .store(error)
                }
                guard piece.readableBytes > 0 else { break }
                let skipped = min(max(offset - count, 0), piece.readableBytes)
                count += piece.readableBytes
                piece.moveReaderIndex(forwardBy: skipped)
                guard piece.readableBytes > 0 else { continue }
                do { try await body(piece) } catch { throw .consumer(error) }
            }
            // A shorter message must never be taken for the whole one.
            guard count == expected else { throw .store(.unavailable("content file \(name) has \(count) octets")) }
        }
    }

    /// The first octets of a content, for notifications and header fields.
    package func prefix(of content: StoredContent, upTo count: Int) async throws(StoreError) -> ByteBuffer {
        switch content {
        case .inline(let buffer):
            return buffer.getSlice(at: buffer.readerIndex, length: min(count, buffer.readableBytes)) ?? ByteBuffer()
        case .file(let name, _):
            return try await self.run { () throws(SystemCallFailure) in
                let descriptor = try PosixFile.openForReading(self.path(of: name))
                defer { PosixFile.close(descriptor) }
                var result = ByteBuffer()
                while result.readableBytes < count {
                    var piece = try PosixFile.read(descriptor, upTo: count - result.readableBytes)
                    guard piece.readableBytes > 0 else { break }
                    result.writeBuffer(&piece)
                }
                return result
            }
        }
    }

    /// Why a content can never be read as a whole; `nil` where it can, as far as one sees from outside.
    ///
    /// Blocks its thread for as long as it takes to ask for a file's size.
    func damage(of content: StoredContent) -> String? {
        guard case .file(let name, let expected) = content else { return nil }
        guard let size = PosixFile.size(self.path(of: name)) else { return "the content file \(name) is missing" }
        return size == expected ? nil : "the content file \(name) has \(size) octets instead of \(expected)"
    }

    func path(of name: String) -> String { "\(self.path)/\(name)" }

    /// Runs file calls on the pool.
    func run<Result: Sendable>(
        _ body: @escaping @Sendable () throws(SystemCallFailure) -> Result
    ) async throws(StoreError) -> Result {
        do {
            return try await self.pool.runIfActive { try body() }
        } catch let failure as SystemCallFailure {
            throw failure.storeError
        } catch {
            throw .unavailable("the file threads are shut down, or the task was cancelled")
        }
    }
}

/// Why the reading of a content ended early.
package enum ContentReadingFailure<Consumer: Error>: Error {
    /// The file cannot be read, or is not whole.
    case store(StoreError)
    /// The reader's own error.
    case consumer(Consumer)

    /// The error itself: for readers whose contract is to throw what their consumer throws.
    package var cause: any Error {
        switch self {
        case .store(let error): error
        case .consumer(let error): error
        }
    }
}
