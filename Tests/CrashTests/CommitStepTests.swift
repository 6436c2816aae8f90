import Foundation
import Logging
import MailQueue
import NIOCore
import NIOPosix
import SMTP
import TestSupport
import Testing

/// Ends a process that queues at each named step of a commit, and looks at what the next one finds.
@Suite("RFC 5321 section 6.1: a process that ends at any step of a commit (S5321-6.1-01)", .timeLimit(.minutes(3)))
struct CommitStepTests {
    private static var probe: Peer {
        Peer(executable: HubProcess.executable.deletingLastPathComponent().appending(path: "CrashProbe"))
    }

    /// What the probe said, by message.
    private struct Promises {
        var accepted: Set<String> = []
        var going: Set<String> = []
        var gone: Set<String> = []

        init(_ output: String) {
            for line in output.split(separator: "\n") {
                let words = line.split(separator: " ").map(String.init)
                guard words.count == 2 else { continue }
                switch words[0] {
                case "accepted": self.accepted.insert(words[1])
                case "going": self.going.insert(words[1])
                case "gone": self.gone.insert(words[1])
                default: Issue.record("the probe says \(line)")
                }
            }
        }
    }

    @Test(
        "What was acknowledged is there and whole, what was removed is gone",
        arguments: CommitStep.allCases,
        [1, 6, 25]
    )
    func endAt(step: CommitStep, occurrence: Int) async throws {
        let directory = try TemporaryDirectory()
        let path = directory.url.path
        let output = try await onThread { try Self.probe.run([path, step.rawValue, "\(occurrence)"]) }
        #expect(output.status == SIGKILL, "the step was not reached: \(output)")
        let promises = Promises(output.output)
        if occurrence > 1, step != .contentWritten, step != .contentSynced { #expect(!promises.accepted.isEmpty) }
        let store = try SQLiteQueueStore(
            directory: path,
            pool: .singleton,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        )
        let page = try await store.list(QueueFilter(), after: nil, limit: 1000)
        let present = Set(page.messages.map(\.id.description))
        #expect(promises.accepted.subtracting(promises.going).isSubset(of: present), "lost")
        #expect(promises.gone.isDisjoint(with: present), "back from the dead")
        #expect(page.messages.allSatisfy { $0.damage == nil })
        var files: Set<String> = []
        for listing in page.messages {
            let loaded = try #require(try await store.load(listing.id, positions: nil, withContent: true))
            #expect(loaded.recipients.count == 1)
            if let name = loaded.content.fileName { files.insert(name) }
            var octets = ByteBuffer()
            try await store.content.forEachPiece(of: loaded.content) { (piece) async throws(Never) in
                octets.writeImmutableBuffer(piece)
            }
            #expect(
                octets == Self.content(of: listing.id, isLarge: octets.readableBytes > 100_000),
                "\(listing.id) is torn"
            )
        }
        // Nothing that belongs to nobody is left.
        #expect(Set(try FileManager.default.contentsOfDirectory(atPath: "\(path)/content")) == files)
        await store.close()
    }

    /// What CrashProbe queues.
    private static func content(of id: QueueID, isLarge: Bool) -> ByteBuffer {
        var buffer = ByteBuffer(string: "Subject: \(id)\r\n\r\n")
        for line in 0..<(isLarge ? 10_000 : 100) { buffer.writeString("\(id) \(line)\r\n") }
        return buffer
    }
}
