@testable import Delivery
import MailHubPlugin
import Glibc
import MailQueue
import NIOCore
import NIOPosix
import SMTP
import Testing

@Suite("Maildir: final delivery (RFC 5321 section 4.4)")
struct MaildirTransportTests {
    private let folder = Folder()

    private func deliver(_ job: DeliveryJob) async throws -> [String] {
        let transport = MaildirTransport(
            directory: "\(self.folder.path)/maildir",
            hostname: "hub.example.org",
            content: ContentDirectory(path: self.folder.path, pool: .singleton),
            pool: .singleton
        )
        let session = try await transport.open(
            .store,
            on: EventLoopActorExecutor(MultiThreadedEventLoopGroup.singleton.any())
        )
        let reports = await session.deliver(job)
        let isReusable = await session.isReusable
        #expect(isReusable)
        await session.close()
        return reports.summaries
    }

    /// The messages of a mailbox.
    private func messages(_ mailbox: String) -> [[UInt8]] {
        self.folder.names("maildir/\(mailbox)/new").map { self.folder.read("maildir/\(mailbox)/new/\($0)") }
    }

    struct Content: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var sender = "s@a.example"
        var content: String
        var stored: String
    }

    @Test(
        "One Return-Path on top, everything else octet by octet (S5321-4.4-12, S5321-4.4-15)",
        arguments: [
            Content(
                testDescription: "plain",
                content: "Subject: x\r\n\r\n.dot\r\n",
                stored: "Return-Path: <s@a.example>\r\nSubject: x\r\n\r\n.dot\r\n"
            ),
            Content(
                testDescription: "null reverse-path",
                sender: "",
                content: "Subject: x\r\n\r\n",
                stored: "Return-Path: <>\r\nSubject: x\r\n\r\n"
            ),
            Content(
                testDescription: "earlier ones go",
                content:
                    "Return-Path: <old@a.example>\r\nSubject: x\r\nReturn-Path:\r\n <older>\r\n\r\nReturn-Path: b\r\n",
                stored: "Return-Path: <s@a.example>\r\nSubject: x\r\n\r\nReturn-Path: b\r\n"
            ),
            Content(
                testDescription: "no line end at the end, 8 bit, NUL",
                content: "Subject: x\r\n\r\nGrüße\0",
                stored: "Return-Path: <s@a.example>\r\nSubject: x\r\n\r\nGrüße\0"
            ),
            Content(testDescription: "empty", content: "", stored: "Return-Path: <s@a.example>\r\n"),
        ]
    )
    func returnPath(content: Content) async throws {
        let job = try job(
            from: content.sender,
            to: [try recipient("ann@example.org")],
            content: .inline(ByteBuffer(string: content.content))
        )
        #expect(try await self.deliver(job) == ["0 delivered 250 2.0.0"])
        #expect(self.messages("example.org/ann").map { String(decoding: $0, as: UTF8.self) } == [content.stored])
        #expect(self.folder.names("maildir/example.org/ann") == ["cur", "new", "tmp"])
        #expect(self.folder.names("maildir/example.org/ann/tmp").isEmpty)
    }

    @Test("A content file arrives octet by octet")
    func contentFile() async throws {
        let contents = ContentDirectory(path: self.folder.path, pool: .singleton)
        let spool = contents.spool(for: .make(at: Timestamp(milliseconds: 1)))
        var expected: [UInt8] = Array("Return-Path: <old@a.example>\r\nSubject: x\r\n\r\n".utf8)
        for line in 0..<60_000 { expected += Array(".\(line) Grüße\r\n".utf8) }
        try await spool.append(ByteBuffer(bytes: expected))
        let stored = try await spool.finish()
        #expect(stored.fileName != nil)
        let job = try job(to: [try recipient("ann@example.org")], content: stored)
        #expect(try await self.deliver(job) == ["0 delivered 250 2.0.0"])
        let old = "Return-Path: <old@a.example>\r\n".utf8.count
        let new = Array("Return-Path: <sender@a.example>\r\n".utf8) + expected.dropFirst(old)
        #expect(self.messages("example.org/ann") == [new])
    }

    @Test("A list's recipient has the list's Return-Path (S5321-3.9-02)")
    func listOwner() async throws {
        _ = try await self.deliver(
            try job(to: [
                try recipient("ann@example.org"), try recipient("bob@example.org", from: "owner@list.example"),
            ])
        )
        let tops = ["ann", "bob"].map { name in
            self.messages("example.org/\(name)").map { String(decoding: $0.prefix { $0 != 0x0D }, as: UTF8.self) }
        }
        #expect(tops == [["Return-Path: <sender@a.example>"], ["Return-Path: <owner@list.example>"]])
    }

    @Test(
        "Mailboxes of strange names stay below the folder, and apart",
        arguments: [
            ("Ann@EXAMPLE.org", "example.org/ann"),
            ("ann+x=y-z_1.b@example.org", "example.org/ann+x=y-z_1.b"),
            ("\"..\"@example.org", "example.org/%2e."),
            ("\".\"@example.org", "example.org/%2e"),
            ("\"../../etc/x\"@example.org", "example.org/%2e.%2f..%2fetc%2fx"),
            ("\"a b\"@example.org", "example.org/a%20b"),
            ("\"a/b\"@example.org", "example.org/a%2fb"),
            ("\"a%2fb\"@example.org", "example.org/a%252fb"),
            ("jörg@example.org", "example.org/j%c3%b6rg"),
            ("ann@bücher.example", "xn--bcher-kva.example/ann"),
            ("ann@[192.0.2.1]", "%5b192.0.2.1%5d/ann"),
        ]
    )
    func names(address: String, path: String) async throws {
        let delivered = try await self.deliver(try job(to: [try recipient(address)]))
        #expect(delivered == ["0 delivered 250 2.0.0"])
        #expect(self.messages(path).count == 1)
    }

    @Test("Long names are not cut: two mailboxes never share a folder")
    func longNames() {
        let label = String(repeating: "a", count: 60)
        let long = "\(label).\(label).\(label).\(label)"
        #expect(MaildirName.escaped("\(long).x") != MaildirName.escaped("\(long).y"))
        #expect(MaildirName.unique(host: "\(long).example").utf8.count <= 255)
    }

    @Test("Names of files are unique")
    func uniqueNames() {
        let names = (0..<1000).map { _ in MaildirName.unique(host: "hub.example.org") }
        #expect(Set(names).count == 1000)
    }

    @Test("A Maildir that was half made is completed")
    func halfMade() async throws {
        let path = "\(self.folder.path)/maildir/example.org/ann"
        for part in ["", "/example.org", "/example.org/ann", "/example.org/ann/new"] {
            _ = unsafe mkdir("\(self.folder.path)/maildir\(part)", 0o700)
        }
        #expect(try await self.deliver(try job(to: "ann@example.org")) == ["0 delivered 250 2.0.0"])
        #expect(self.folder.names("maildir/example.org/ann") == ["cur", "new", "tmp"], "\(path)")
    }

    @Test("A mailbox that cannot be written defers its recipient alone")
    func unwritable() async throws {
        // A file where the folder should be.
        _ = unsafe mkdir("\(self.folder.path)/maildir", 0o700)
        _ = unsafe mkdir("\(self.folder.path)/maildir/example.org", 0o700)
        let file = unsafe open("\(self.folder.path)/maildir/example.org/ann", O_WRONLY | O_CREAT, 0o600)
        close(file)
        #expect(
            try await self.deliver(try job(to: "ann@example.org", "bob@example.org"))
                == ["0 deferred 451 4.3.0", "1 delivered 250 2.0.0"]
        )
    }

    @Test("A full disk: tried again, and nothing left behind")
    func fullDisk() async throws {
        // /dev/full fails each write with ENOSPC.
        let delivery = try MaildirDelivery(folder: self.prepared(), name: "x")
        let full = unsafe open("/dev/full", O_WRONLY)
        try #require(full >= 0)
        defer { close(full) }
        dup2(full, delivery.descriptor)
        #expect(throws: MaildirFailure.self) { try delivery.write(ByteBuffer(string: "x")) }
        delivery.abandon()
        #expect(self.folder.names("box/tmp").isEmpty)
        #expect(self.folder.names("box/new").isEmpty)
    }

    private func prepared() -> String {
        for part in ["box", "box/new", "box/cur", "box/tmp"] { _ = unsafe mkdir("\(self.folder.path)/\(part)", 0o700) }
        return "\(self.folder.path)/box"
    }

    @Test("A content that cannot be read leaves nothing behind")
    func unreadable() async throws {
        let job = try job(to: [try recipient("ann@example.org")], content: .file(name: "gone.eml", size: 200_000))
        #expect(try await self.deliver(job) == ["0 deferred 451 4.3.0"])
        #expect(self.folder.names("maildir/example.org/ann/tmp").isEmpty)
        #expect(self.folder.names("maildir/example.org/ann/new").isEmpty)
    }
}
