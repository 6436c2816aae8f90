import GRDB
import Logging
import MailQueue
import NIOCore
import SMTP
import Synchronization
import Testing

@Suite("The SQLite store: durability, S5321-4.2.5-01")
struct SQLiteStoreTests {
    let directory = TemporaryDirectory()
    let now = Timestamp(milliseconds: 1_800_000_000_000)

    @Test func survivesReopening() async throws {
        let new = message(to: "a@b.example", "b@c.example")
        let store = try openSQLite(self.directory)
        try await store.append(routed(new))
        await store.close()
        let again = try openSQLite(self.directory)
        let loaded = try await again.load(new.id, positions: nil, withContent: true)
        #expect(loaded?.content.text == new.content.text)
        #expect(loaded?.recipients.count == 2)
        await again.close()
    }

    @Test func isReadableForItsUserOnly() async throws {
        let store = try openSQLite(self.directory)
        try await store.append(routed(message(to: "a@b.example")))
        for name in ["content"] { #expect(self.directory.mode(name) == 0o700) }
        for name in ["queue.sqlite", "queue.sqlite-wal", "lock"] {
            #expect(self.directory.mode(name) == 0o600, "\(name)")
        }
        await store.close()
    }

    @Test func aSecondHubIsKeptAway() async throws {
        let store = try openSQLite(self.directory)
        #expect(throws: StoreError.unavailable("another MailHub has the queue in \(self.directory.path) open")) {
            try openSQLite(self.directory)
        }
        await store.close()
        await (try openSQLite(self.directory)).close()
    }

    /// The writer is held in its first transaction until all others have handed over their messages.
    @Test func messagesThatComeTogetherShareACommit() async throws {
        let count = 500
        let gate = Gate()
        let store = try openSQLite(
            self.directory,
            observer: { step in if step == .transactionBegun { gate.wait() } }
        )
        await withTaskGroup { group in
            for _ in 0..<count {
                group.addTask {
                    try? await store.append(routed(message(to: "a@b.example")))
                }
            }
            // Every task that has begun hands over before it waits; the others find the gate open.
            for _ in 0..<1000 { await Task.yield() }
            gate.open()
        }
        #expect(try await store.statistics().messages == count)
        #expect(store.commitCount < count / 4, "\(store.commitCount) commits")
        await store.close()
    }

    @Test func oneBadMessageDoesNotFailTheOthers() async throws {
        let gate = Gate()
        let store = try openSQLite(
            self.directory,
            observer: { step in if step == .transactionBegun { gate.wait() } }
        )
        let twice = routed(message(to: "a@b.example"))
        let stored = await withTaskGroup { group in
            for number in 0..<20 {
                let new = number.isMultiple(of: 4) ? twice : routed(message(to: "a@b.example"))
                group.addTask { (try? await store.append(new)) != nil }
            }
            for _ in 0..<100 { await Task.yield() }
            gate.open()
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(stored == 16)
        #expect(try await store.statistics().messages == 16)
        await store.close()
    }

    @Test func aFullDiskIsReportedAndLeftBehind() async throws {
        let lines = LogLines()
        let store = try openSQLite(self.directory, logger: lines.logger, maximumPages: 100)
        let text = String(repeating: "x", count: 100_000)
        var ids: [QueueID] = []
        var failure: StoreError?
        while failure == nil, ids.count < 100 {
            let new = message(to: "a@b.example", content: text)
            do throws(StoreError) {
                try await store.append(routed(new))
                ids.append(new.id)
            } catch { failure = error }
        }
        #expect(failure == .noSpace)
        #expect(failure?.reply.code == 452)
        for _ in 0..<5 {
            let another = routed(message(to: "a@b.example", content: text))
            await #expect(throws: StoreError.noSpace) { try await store.append(another) }
        }
        // The log of a hub with a full disk is no place for a line for each client.
        #expect(lines.count("queue write failed") == 1 && lines.count("queue is written again") == 0)
        let removed = try #require(ids.first)
        var outcome = OutcomeRecord(id: removed, contentFile: nil)
        outcome.removed = [0]
        try await store.record(outcome)
        try await store.append(routed(message(to: "a@b.example", content: text)))
        #expect(try await store.statistics().messages == ids.count)
        #expect(lines.contains(.notice, "queue is written again error=\(StoreError.noSpace) failures=6"))
        await store.close()
    }

    @Test func aDamagedRowDoesNotKeepTheHubFromStarting() async throws {
        let (good, bad) = (message(to: "a@b.example"), message(to: "a@b.example"))
        let store = try openSQLite(self.directory)
        for new in [good, bad] { try await store.append(routed(new)) }
        await store.close()
        let database = try DatabaseQueue(path: "\(self.directory.path)/queue.sqlite")
        try await database.write { database in
            try database.execute(
                sql: "UPDATE recipient SET address = 'no address' WHERE message = ?",
                arguments: [bad.id.rawValue]
            )
        }
        try database.close()
        let again = try openSQLite(self.directory)
        await #expect(throws: StoreError.damaged(bad.id, "the address of recipient 0 cannot be read")) {
            try await again.load(bad.id, positions: nil, withContent: true)
        }
        #expect(try await again.load(good.id, positions: nil, withContent: true) != nil)
        #expect(try await again.show(bad.id)?.recipients.first?.address == "no address")
        await again.close()
    }

    @Test func aFileThatIsNoDatabaseIsSetAside() async throws {
        self.directory.write(
            Array("this is no database, though it is long enough to look like one".utf8),
            to: "queue.sqlite"
        )
        let lines = LogLines()
        let store = try openSQLite(self.directory, logger: lines.logger)
        try await store.append(routed(message(to: "a@b.example")))
        #expect(self.directory.names().contains("queue.sqlite.damaged-1"))
        #expect(lines.contains(.critical, "queue file is damaged"))
        await store.close()
    }

    @Test func whatCanBeReadOfADamagedFileIsSaved() async throws {
        let store = try openSQLite(self.directory)
        var ids: [QueueID] = []
        for _ in 0..<200 {
            let new = message(to: "a@b.example", content: String(repeating: "y", count: 5000))
            try await store.append(routed(new))
            ids.append(new.id)
        }
        await store.close()
        let database = try DatabaseQueue(path: "\(self.directory.path)/queue.sqlite")
        let page = try await database.read {
            try Int.fetchOne($0, sql: "SELECT rootpage FROM sqlite_master WHERE name = 'recipient_due'")
        }
        let size = try #require(try await database.read { try Int.fetchOne($0, sql: "PRAGMA page_size") })
        try database.close()
        let root = try #require(page)
        var octets = self.directory.read("queue.sqlite")
        for index in (root - 1) * size..<root * size { octets[index] = 0xFF }
        self.directory.write(octets, to: "queue.sqlite")
        self.directory.write([1], to: "content/maybe-lost.eml")
        let lines = LogLines()
        let again = try openSQLite(self.directory, logger: lines.logger)
        #expect(lines.contains(.critical, "saved=200"))
        #expect(try await again.statistics().messages == 200)
        #expect(try await again.load(ids[100], positions: nil, withContent: true)?.content.size == 5000)
        #expect(self.directory.names("content.damaged") == ["maybe-lost.eml"])
        await again.close()
    }

    @Test func anotherSchemaIsRefused() async throws {
        await (try openSQLite(self.directory)).close()
        let database = try DatabaseQueue(path: "\(self.directory.path)/queue.sqlite")
        try await database.write { try $0.execute(sql: "PRAGMA user_version = 99") }
        try database.close()
        let error = #expect(throws: StoreError.self) { try openSQLite(self.directory) }
        guard case .unavailable(let text) = error else { return #expect(Bool(false), "\(String(describing: error))") }
        #expect(text.contains("schema 99"))
        #expect(self.directory.names().contains("queue.sqlite"))
    }

    @Test func contentFilesWithoutAMessageAreSweptAtStart() async throws {
        let store = try openSQLite(self.directory)
        self.directory.write([1, 2, 3], to: "content/kept.eml")
        self.directory.write([1, 2, 3], to: "content/stray.eml")
        let kept = NewMessage(
            id: .make(at: self.now),
            envelope: Envelope(reversePath: .null, recipients: [EnvelopeRecipient(.test("a@b.example"))]),
            content: .file(name: "kept.eml", size: 3),
            arrival: self.now
        )
        try await store.append(routed(kept))
        await store.close()
        let again = try openSQLite(self.directory)
        #expect(self.directory.names("content") == ["kept.eml"])
        await again.close()
    }

    /// What the disk holds while a transaction is open, before its commit and after it: acknowledged messages are always there.
    @Test(arguments: [CommitStep.transactionBegun, .beforeCommit, .afterCommit, .acknowledged])
    func aCrashLosesNothingThatWasAcknowledged(step: CommitStep) async throws {
        let copies = Mutex<[(acknowledged: Int, copy: TemporaryDirectory)]>([])
        let acknowledged = Mutex(0)
        let source = self.directory
        let store = try openSQLite(
            source,
            observer: { reached in
                guard reached == step else { return }
                // On the writer's thread: the files are as a crash would leave them.
                let copy = TemporaryDirectory()
                source.copy(to: copy)
                copies.withLock { $0.append((acknowledged.withLock { $0 }, copy)) }
            }
        )
        for _ in 0..<5 {
            try await store.append(routed(message(to: "a@b.example")))
            acknowledged.withLock { $0 += 1 }
        }
        await store.close()
        for (count, copy) in copies.withLock({ $0 }) {
            let recovered = try openSQLite(copy)
            let found = try await recovered.list(QueueFilter(), after: nil, limit: 100).messages
            #expect(found.count >= count)
            for listing in found {
                #expect(try await recovered.load(listing.id, positions: nil, withContent: true)?.content.size ?? 0 > 0)
            }
            await recovered.close()
        }
    }

    @Test func theLogDoesNotGrowWithoutBound() async throws {
        let store = try openSQLite(self.directory)
        for _ in 0..<40 {
            await withTaskGroup { group in
                for _ in 0..<20 {
                    group.addTask {
                        let new = message(to: "a@b.example", content: String(repeating: "z", count: 100_000))
                        try? await store.append(routed(new))
                        var outcome = OutcomeRecord(id: new.id, contentFile: nil)
                        outcome.removed = [0]
                        try? await store.record(outcome)
                    }
                }
            }
        }
        // 80 MB went through it; it is cut at 64 MiB and started anew at 16 MiB plus one group.
        #expect(self.directory.read("queue.sqlite-wal").count < 40 << 20)
        await store.close()
    }
}

/// Holds the writer's thread until the test opens it.
final class Gate: Sendable {
    private let isOpen = Atomic<Bool>(false)

    func open() { self.isOpen.store(true, ordering: .releasing) }

    /// Spins: only for threads that nobody else needs.
    func wait() {
        while !self.isOpen.load(ordering: .acquiring) {}
    }
}
