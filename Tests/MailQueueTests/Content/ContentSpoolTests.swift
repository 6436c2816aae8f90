@testable import MailQueue
import NIOCore
import NIOPosix
import SMTP
import Synchronization
import Testing

@Suite("Large contents go to files: S5321-4.5.2-05")
struct ContentSpoolTests {
    let directory = TemporaryDirectory()
    let steps = LogSteps()
    var content: ContentDirectory {
        ContentDirectory(path: self.directory.path, pool: .singleton, observer: { [steps] in steps.append($0) })
    }

    static let limit = 128 * 1024

    @Test(arguments: [0, 1, limit - 1, limit, limit + 1, 3 * limit, 1_000_003], [1000, 65_536, 300_000])
    func comesBackAsItWentIn(size: Int, piece: Int) async throws {
        let octets = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 ^ $0 >> 8) }
        let id = QueueID.make(at: Timestamp(milliseconds: 1_800_000_000_000))
        let spool = self.content.spool(for: id)
        for start in stride(from: 0, to: size, by: piece) {
            try await spool.append(ByteBuffer(bytes: octets[start..<min(start + piece, size)]))
        }
        #expect(spool.size == size)
        let stored = try await spool.finish()
        #expect(stored.size == size)
        #expect(stored.fileName == (size > Self.limit ? "\(id).eml" : nil))
        #expect(self.steps.value == (size > Self.limit ? [.contentWritten, .contentSynced] : []))
        var read: [UInt8] = []
        try await self.content.forEachPiece(of: stored) { (buffer: ByteBuffer) throws(Never) in
            #expect(buffer.readableBytes <= 65_536)
            read += buffer.readableBytesView
        }
        #expect(read == octets)
        let prefix = try await self.content.prefix(of: stored, upTo: 100)
        #expect(Array(prefix.readableBytesView) == Array(octets.prefix(100)))
        if let name = stored.fileName { #expect(self.directory.mode(name) == 0o600) }
        await self.content.discard(stored)
        #expect(self.directory.names() == [])
    }

    @Test(arguments: [10, 500_000])
    func whatIsDiscardedLeavesNothing(size: Int) async throws {
        let spool = self.content.spool(for: .make(at: Timestamp(milliseconds: 1_800_000_000_000)))
        try await spool.append(ByteBuffer(repeating: 7, count: size))
        await spool.discard()
        await spool.discard()
        #expect(self.directory.names() == [])
    }

    @Test func aShortFileIsNeverTakenForTheWhole() async throws {
        self.directory.write([1, 2, 3], to: "short.eml")
        let failure = await #expect(throws: ContentReadingFailure<Never>.self) {
            try await self.content.forEachPiece(of: .file(name: "short.eml", size: 4)) {
                (_: ByteBuffer) throws(Never) in
            }
        }
        guard case .store(.unavailable) = failure else { return #expect(Bool(false), "\(String(describing: failure))") }
    }
}

/// The steps of a commit, in their order.
final class LogSteps: Sendable {
    private let steps = Mutex<[CommitStep]>([])
    func append(_ step: CommitStep) { self.steps.withLock { $0.append(step) } }
    var value: [CommitStep] { self.steps.withLock { $0 } }
}
