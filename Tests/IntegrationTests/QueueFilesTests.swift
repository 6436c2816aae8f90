import Foundation
import TestSupport
import Testing

@Suite("The queue's files: damaged, full, and found again", .timeLimit(.minutes(2)))
struct QueueFilesTests {
    @Test("A damaged message is set aside; the hub starts, and everything else goes on")
    func damagedMessage() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            guard let python = try Peer.find("python3"), let sink = try MailSink(folder: directory.url) else { return }
            let scenario = try Scenario(
                in: directory,
                routes: ["out": ["transport": "smtp", "host": "127.0.0.1", "port": sink.port]],
                more: ["defaultRoute": "out"]
            )
            let hub = scenario.hub
            try hub.start()
            for name in ["sender", "recipient", "content", "whole"] {
                try scenario.send(from: "\(name)@example.org", to: "bob@far.example", subject: name)
            }
            #expect(try hub.queue().count == 4)
            #expect(hub.stop() == 0)
            let file = scenario.folder.appending(path: "queue/queue.sqlite").path
            let id = "(SELECT id FROM message WHERE sender = '%@@example.org')"
            let damage = [
                "UPDATE recipient SET address = 'no address' WHERE message = \(id.replacing("%@", with: "recipient"))",
                "DELETE FROM content WHERE id = \(id.replacing("%@", with: "content"))",
                "UPDATE message SET sender = 'sender@@' WHERE sender = 'sender@example.org'",
            ]
            let program = """
                import sqlite3, sys
                with sqlite3.connect(sys.argv[1]) as queue:
                    for statement in sys.argv[2:]: queue.execute(statement)
                """
            let (status, output) = try python.run(["-c", program, file] + damage)
            #expect(status == 0, "\(output)")
            try sink.start()
            try hub.start()
            #expect(eventually { sink.messages.count == 1 })
            #expect(sink.messages.first?.contains("Subject: whole\n") == true)
            #expect(try eventually { try hub.queue("--state", "damaged").count == 3 })
            #expect(hub.logLines("damaged and was moved aside").count == 3)
            let listing = try hub.command("queue", "list").output
            #expect(listing.contains("damaged"), "\(listing)")
            // Mail goes on as if nothing had happened.
            try scenario.send(to: "carol@example.org")
            #expect(eventually { hub.mailboxFiles("carol").count == 1 })
            #expect(hub.stop() == 0)
            sink.stop()
        }
    }

    @Test("A file that is no queue any more is set aside, and a new queue begins")
    func damagedFile() async throws {
        try await onThread {
            let scenario = try Scenario()
            let hub = scenario.hub
            try hub.start()
            try scenario.send(to: "bob@example.org")
            #expect(try hub.isDrained())
            #expect(hub.stop() == 0)
            let file = scenario.folder.appending(path: "queue/queue.sqlite")
            try Data(repeating: 0x58, count: 100_000).write(to: file)
            try hub.start()
            #expect(!hub.logLines("queue file is damaged").isEmpty)
            try scenario.send(to: "carol@example.org")
            #expect(eventually { hub.mailboxFiles("carol").count == 1 })
            #expect(hub.stop() == 0)
        }
    }

    /// A small file system for the queue: one of its own, or, where none can be mounted, the shared memory of a container.
    private final class SmallDisk {
        let folder: URL
        private let isMounted: Bool

        /// - Returns: `nil` where there is neither.
        init?(at folder: URL) throws {
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            if getuid() == 0, let mount = try Peer.find("mount"),
                try mount.run(["-t", "tmpfs", "-o", "size=6m", "tmpfs", folder.path]).status == 0
            {
                self.folder = folder
                self.isMounted = true
                return
            }
            let shared = try? FileManager.default.attributesOfFileSystem(forPath: "/dev/shm")
            guard let size = (shared?[.systemSize] as? NSNumber)?.intValue, size <= 128 << 20 else {
                print("skipped: no small file system can be had here")
                return nil
            }
            self.folder = URL(filePath: "/dev/shm/\(folder.deletingLastPathComponent().lastPathComponent)")
            self.isMounted = false
            try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true)
        }

        /// Fills what is left; removing the file makes room again.
        func fill() throws -> URL {
            let file = self.folder.appending(path: "filler")
            try Data().write(to: file)
            let handle = try FileHandle(forWritingTo: file)
            defer { try? handle.close() }
            for size in [65536, 4096, 1] {
                while (try? handle.write(contentsOf: Data(repeating: 0, count: size))) != nil {}
            }
            return file
        }

        deinit {
            if self.isMounted {
                _ = unsafe umount2(self.folder.path, Int32(MNT_DETACH))
            } else {
                try? FileManager.default.removeItem(at: self.folder)
            }
        }
    }

    @Test("A full disk: 452 4.3.1 for now, nothing lost, and mail again when there is room (S5321-4.2.5-01)")
    func fullDisk() async throws {
        try await onThread {
            let directory = try TemporaryDirectory()
            guard let disk = try SmallDisk(at: directory.url.appending(path: "queue")) else { return }
            let scenario = try Scenario(
                in: directory,
                routes: ["dead": ["transport": "smtp", "host": "127.0.0.1", "port": try freePort()]],
                more: ["defaultRoute": "dead", "queue": ["directory": disk.folder.path, "retry": ["1s"]]]
            )
            let hub = scenario.hub
            try hub.start()
            try scenario.send(to: "bob@far.example", subject: "before")
            let filler = try disk.fill()
            var client = try scenario.client()
            // Small ones stay in the database, large ones are files.
            for size in [2_000, 300_000] {
                let content = "Subject: full\r\n\r\n" + String(repeating: "0123456789\r\n", count: size / 12)
                let reply = try client.message(from: "ann@example.org", to: ["bob@far.example"], content: content.utf8)
                #expect(reply.hasPrefix("452 4.3.1"), "\(size): \(reply)")
            }
            // The session is good for more, the hub for commands, and what was accepted is there.
            _ = try client.expect("250", "NOOP")
            #expect(try hub.queue().count == 1)
            // A restart works without room, too.
            client.close()
            #expect(hub.stop() == 0)
            try hub.start()
            #expect(try hub.queue().count == 1)
            client = try scenario.client()
            try FileManager.default.removeItem(at: filler)
            for size in [2_000, 300_000] {
                let content = "Subject: room\r\n\r\n" + String(repeating: "0123456789\r\n", count: size / 12)
                let reply = try client.message(from: "ann@example.org", to: ["bob@far.example"], content: content.utf8)
                #expect(reply.hasPrefix("250"), "\(size): \(reply)")
            }
            client.close()
            #expect(try hub.queue().count == 3)
            #expect(hub.stop() == 0)
        }
    }
}
