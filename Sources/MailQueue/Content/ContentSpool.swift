package import NIOCore
import SMTP

/// Takes the content of one message while it arrives: up to 128 KiB in memory, more in a file.
///
/// For one owner, an actor; all methods run on the owner's executor, and file calls on the pool. Either `finish()` or
/// `discard()` ends it; a file that was ended by neither is swept at the next start.
package final class ContentSpool {
    /// Where the octets are.
    private enum State {
        case memory
        case file(descriptor: Int32)
        case ended
    }

    /// So many octets are gathered for one write.
    private static let pieceSize = QueueLimits.inlineContent

    private let directory: ContentDirectory
    private let name: String
    private var state = State.memory
    /// What is not in the file.
    private var pending = ByteBuffer()
    private var written = 0

    init(directory: ContentDirectory, name: String) {
        self.directory = directory
        self.name = name
    }

    deinit {
        if case .file(let descriptor) = self.state { PosixFile.close(descriptor) }
    }

    /// Octets so far.
    package var size: Int { self.written + self.pending.readableBytes }

    /// Takes octets without waiting.
    ///
    /// - Returns: whether `flush()` must be called before the next piece: it is not when all is small.
    package func appendInMemory(_ buffer: ByteBuffer) -> Bool {
        var buffer = buffer
        self.pending.writeBuffer(&buffer)
        return self.pending.readableBytes > Self.pieceSize
    }

    /// Takes octets, and writes to the file when enough are gathered.
    package func append(_ buffer: ByteBuffer) async throws(StoreError) {
        if self.appendInMemory(buffer) { try await self.flush() }
    }

    /// Writes what is gathered to the file.
    package func flush() async throws(StoreError) {
        let piece = self.pending
        self.pending = ByteBuffer()
        let directory = self.directory
        let path = directory.path(of: self.name)
        switch self.state {
        case .memory:
            let descriptor = try await directory.run { () throws(SystemCallFailure) in try PosixFile.create(path) }
            self.state = .file(descriptor: descriptor)
            try await directory.run { () throws(SystemCallFailure) in try PosixFile.writeAll(piece, to: descriptor) }
        case .file(let descriptor):
            try await directory.run { () throws(SystemCallFailure) in try PosixFile.writeAll(piece, to: descriptor) }
        case .ended:
            assertionFailure("fed after the end")
            throw .unavailable("the content has ended")
        }
        self.written += piece.readableBytes
    }

    /// Ends the content: on return a file is synced, and so is its name.
    package func finish() async throws(StoreError) -> StoredContent {
        switch self.state {
        case .memory:
            if self.pending.readableBytes <= QueueLimits.inlineContent {
                self.state = .ended
                let content = self.pending
                self.pending = ByteBuffer()
                return .inline(content)
            }
            try await self.flush()
        case .file:
            if self.pending.readableBytes > 0 { try await self.flush() }
        case .ended:
            assertionFailure("ended twice")
            throw .unavailable("the content has ended")
        }
        guard case .file(let descriptor) = self.state else { throw .unavailable("the content has ended") }
        let directory = self.directory
        try await directory.run { () throws(SystemCallFailure) in
            directory.observer?(.contentWritten)
            try PosixFile.sync(descriptor)
            try PosixFile.syncDirectory(directory.path)
            directory.observer?(.contentSynced)
        }
        PosixFile.close(descriptor)
        self.state = .ended
        return .file(name: self.name, size: self.written)
    }

    /// Forgets the content; safe to call at any time.
    package func discard() async {
        let state = self.state
        self.state = .ended
        self.pending = ByteBuffer()
        guard case .file(let descriptor) = state else { return }
        PosixFile.close(descriptor)
        await self.directory.discard(.file(name: self.name, size: 0))
    }
}
