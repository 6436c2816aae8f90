import InternetMessage
import MailHubPlugin
import MailHubPluginTesting
import Testing

/// Answers every stage that changes something with edits, and notes what it is shown.
struct Rewriter: SenderHook, RecipientHook, RecipientResolver, HeaderHook, MessageHook, RecipientMessageHook, RouteHook,
    QueuedHook, DeliveryHook
{
    var sender: [SenderEdit] = []
    var recipient: [RecipientEdit] = []
    var resolved: [RecipientEdit]?
    var header: [MessageEdit] = []
    var message: [MessageEdit] = []
    var recipientMessage: @Sendable (String) -> [MessageEdit] = { _ in [] }
    var route: String?
    var delivery: [DeliveryEdit] = []
    var name = "plugin"
    var scribe = Scribe()

    init() {}
    init(configuration: ConfigurationSection, services: PluginServices) throws {}

    func plugin() -> TestHub.Plugin { TestHub.Plugin(named: self.name) { _, _ in self } }

    func sender(_ transaction: TransactionContext, _ session: SessionContext) async throws -> SenderOutcome {
        self.scribe.note("\(self.name) sender \(transaction.envelope.reversePath)")
        return self.sender.isEmpty ? .next : .change(self.sender)
    }

    func recipient(
        _ recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientOutcome {
        self.scribe.note("\(self.name) recipient \(recipient.mailbox)")
        return self.recipient.isEmpty ? .next : .change(self.recipient)
    }

    func resolve(_ mailbox: Mailbox, _ session: SessionContext) async throws -> RecipientResolution {
        self.resolved.map { .found(ResolvedRecipient(edits: $0)) } ?? .found(ResolvedRecipient())
    }

    func header(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome {
        self.scribe.note("\(self.name) header \(message.header.first(named: "Subject")?.value ?? "none")")
        return self.header.isEmpty ? .next : .change(self.header)
    }

    func message(
        _ message: MessageContext,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> MessageOutcome {
        self.scribe.note("\(self.name) message \(try await Self.text(message))")
        return self.message.isEmpty ? .next : .change(self.message)
    }

    func message(
        _ message: MessageContext,
        for recipient: EnvelopeRecipient,
        _ transaction: TransactionContext,
        _ session: SessionContext
    ) async throws -> RecipientMessageOutcome {
        let subject = message.header.first(named: "Subject")?.value ?? "none"
        self.scribe.note("\(self.name) recipientMessage \(recipient.mailbox) \(subject)")
        let edits = self.recipientMessage(recipient.mailbox.description)
        return edits.isEmpty ? .next : .change(edits)
    }

    func route(for recipient: EnvelopeRecipient, _ transaction: TransactionContext) async throws -> RouteOutcome {
        self.route.map { .route($0) } ?? .next
    }

    func queued(_ transaction: TransactionContext, size: Int, _ session: SessionContext) async throws {
        let recipients = transaction.envelope.recipients.map(\.mailbox.description).sorted()
        self.scribe.note("\(self.name) queued \(recipients.joined(separator: " "))")
    }

    func deliver(_ delivery: DeliveryContext, _ message: MessageContext) async throws -> DeliveryVerdict {
        self.scribe.note("\(self.name) delivery \(delivery.reversePath) \(try await Self.text(message))")
        return self.delivery.isEmpty ? .next : .change(self.delivery)
    }

    /// The content as it is given, its size checked.
    static func text(_ message: MessageContext) async throws -> String {
        let text = String(decoding: try await message.content.octets(upTo: .max), as: UTF8.self)
        #expect(message.size == text.utf8.count)
        #expect(message.content.size == text.utf8.count)
        return text
    }
}

@Suite("Every stage that changes something: the next plugin and the delivered message have it")
struct RewriteTests {
    /// Two plugins, of which the second watches.
    struct Pair {
        let hub: TestHub
        let scribe = Scribe()

        init(_ first: Rewriter, _ listener: TestHub.Listener = TestHub.Listener()) throws {
            var (first, second) = (first, Rewriter())
            (first.name, second.name) = ("first", "second")
            (first.scribe, second.scribe) = (self.scribe, self.scribe)
            self.hub = try TestHub([first.plugin(), second.plugin()], listener: listener)
        }

        func deliver(to recipients: [String] = ["ann@example.org"], _ content: String = "Subject: one\r\n\r\nHi\r\n")
            async throws -> TestMessage
        {
            let client = try await self.hub.connect()
            _ = try await client.send("EHLO c.example")
            let reply = try await client.deliver(from: "a@example.net", to: recipients, content)
            #expect(reply.hasPrefix("250 2.0.0"), "\(reply)")
            return try #require(try await self.hub.messages.first)
        }
    }

    static func mailbox(_ text: String) throws -> Mailbox { try #require(Mailbox(text)) }

    @Test("MAIL: the reverse-path")
    func sender() async throws {
        var plugin = Rewriter()
        plugin.sender = [.replaceReversePath(.mailbox(try Self.mailbox("b@example.com")))]
        let pair = try Pair(plugin)
        let message = try await pair.deliver()
        #expect(pair.scribe.count("second sender b@example.com") == 1)
        #expect("\(message.envelope.reversePath)" == "b@example.com")
    }

    @Test("MAIL: a null reverse-path stays null (RFC 5321 section 4.5.5)")
    func nullSender() async throws {
        var plugin = Rewriter()
        plugin.sender = [.replaceReversePath(.mailbox(try Self.mailbox("b@example.com")))]
        let pair = try Pair(plugin)
        let client = try await pair.hub.connect()
        _ = try await client.send("EHLO c.example")
        _ = try await client.deliver(from: "", to: ["ann@example.org"], "\r\nHi\r\n")
        #expect(try await pair.hub.messages.map(\.envelope.reversePath) == [.null])
    }

    struct RecipientRow: CustomTestStringConvertible, Sendable {
        let edits: [String]
        let seen: String
        let delivered: [String]
        var testDescription: String { self.edits.joined(separator: ", ") }

        func parsed() throws -> [RecipientEdit] {
            try self.edits.map { text in
                let words = text.split(separator: " ").map(String.init)
                switch words[0] {
                case "replace": return .replace(try RewriteTests.mailbox(words[1]))
                case "add": return .add(try RewriteTests.mailbox(words[1]))
                case "expand": return .expand(try words.dropFirst().map(RewriteTests.mailbox), owner: nil)
                default: return .drop
                }
            }
        }
    }

    static let recipientRows = [
        RecipientRow(edits: ["replace bob@example.org"], seen: "bob@example.org", delivered: ["bob@example.org"]),
        RecipientRow(
            edits: ["add bob@example.org"],
            seen: "ann@example.org",
            delivered: ["ann@example.org", "bob@example.org"]
        ),
        RecipientRow(
            edits: ["expand x@example.org y@example.org"],
            seen: "ann@example.org",
            delivered: ["x@example.org", "y@example.org"]
        ),
        RecipientRow(
            edits: ["replace bob@example.org", "add carl@example.org"],
            seen: "bob@example.org",
            delivered: ["bob@example.org", "carl@example.org"]
        ),
        RecipientRow(
            edits: ["add carl@example.org", "replace list@example.org", "expand x@example.org"],
            seen: "list@example.org",
            delivered: ["x@example.org", "carl@example.org"]
        ),
        RecipientRow(
            edits: ["expand x@example.org y@example.org", "replace bob@example.org"],
            seen: "bob@example.org",
            delivered: ["bob@example.org"]
        ),
    ]

    @Test("RCPT: what a recipient becomes, by policy", arguments: Self.recipientRows)
    func recipient(_ row: RecipientRow) async throws {
        var plugin = Rewriter()
        plugin.recipient = try row.parsed()
        let pair = try Pair(plugin)
        #expect(try await pair.deliver().recipients == row.delivered)
        #expect(pair.scribe.count("second recipient \(row.seen)") == 1)
    }

    @Test("RCPT: what a recipient becomes, by a resolver: policy sees it", arguments: Self.recipientRows)
    func resolver(_ row: RecipientRow) async throws {
        var plugin = Rewriter()
        plugin.resolved = try row.parsed()
        let pair = try Pair(plugin)
        #expect(try await pair.deliver().recipients == row.delivered)
        #expect(pair.scribe.count("first recipient \(row.seen)") == 1)
    }

    @Test("RCPT: a recipient that is dropped is accepted and gets nothing")
    func drop() async throws {
        var plugin = Rewriter()
        plugin.recipient = [.drop]
        let pair = try Pair(plugin)
        let client = try await pair.hub.connect()
        _ = try await client.send("EHLO c.example")
        #expect(
            try await client.deliver(from: "a@b.example", to: ["ann@example.org"], "\r\nHi\r\n").hasPrefix("250 2.0.0")
        )
        #expect(try await pair.hub.messages.isEmpty)
    }

    @Test(
        "RCPT: more recipients behind one than a message can have: nobody is left out, the client comes back",
        arguments: [0, 1]
    )
    func tooMany(added: Int) async throws {
        var plugin = Rewriter()
        let members = try (0..<10_001 - added).map { try Self.mailbox("m\($0)@example.org") }
        plugin.recipient = [.expand(members, owner: nil)]
        if added == 1 { plugin.recipient.append(.add(try Self.mailbox("archive@example.org"))) }
        let pair = try Pair(plugin)
        let client = try await pair.hub.connect()
        _ = try await client.send("EHLO c.example")
        _ = try await client.send("MAIL FROM:<a@b.example>")
        #expect(try await client.send("RCPT TO:<ann@example.org>").hasPrefix("451 4.3.0"))
    }

    @Test("RCPT: a group's members report to its owner, and a recipient has a route and a size limit")
    func attributes() async throws {
        var plugin = Rewriter()
        let owner = ReversePath.mailbox(try Self.mailbox("owner@example.org"))
        plugin.recipient = [
            .expand([try Self.mailbox("x@example.org")], owner: owner), .route("lists"), .limitSize(40),
        ]
        let pair = try Pair(plugin)
        let message = try await pair.deliver()
        #expect(message.envelope.recipients.map(\.reversePath) == [owner])
        #expect(message.envelope.recipients.map(\.route) == ["lists"])
        let client = try await pair.hub.connect()
        _ = try await client.send("EHLO c.example")
        let large = "\r\n\(String(repeating: "x", count: 50))\r\n"
        #expect(
            try await client.deliver(from: "a@b.example", to: ["ann@example.org"], large).hasPrefix("552 5.3.4")
        )
    }

    static let edits: [MessageEdit] = [
        .header(.replace(name: "Subject", value: "two")), .header(.append(name: "X-Tag", value: "seen")),
        .replaceBody(Array("Bye\r\n".utf8)),
    ]
    static let changed = "Subject: two\r\nX-Tag: seen\r\n\r\nBye\r\n"

    @Test("The end of data: header hooks' edits reach header and message hooks")
    func header() async throws {
        var plugin = Rewriter()
        plugin.header = Self.edits
        let pair = try Pair(plugin)
        let message = try await pair.deliver()
        #expect(pair.scribe.count("second header two") == 1)
        #expect(pair.scribe.count("first message \(Self.changed)") == 1)
        #expect(String(decoding: message.octets, as: UTF8.self).hasSuffix("\r\n\(Self.changed)"))
        #expect(message.header.count(named: "Received") == 1)
    }

    @Test("The end of data: message hooks' edits", arguments: [0, 300_000])
    func message(extra: Int) async throws {
        var plugin = Rewriter()
        plugin.message = Self.edits
        let pair = try Pair(plugin)
        let body = String(repeating: "0123456789abcdef\r\n", count: extra / 18)
        let message = try await pair.deliver("Subject: one\r\n\r\nHi\r\n\(body)")
        #expect(pair.scribe.count("second message \(Self.changed)") == 1)
        #expect(pair.scribe.count("first recipientMessage ann@example.org two") == 1)
        #expect(String(decoding: message.octets, as: UTF8.self).hasSuffix("\r\n\(Self.changed)"))
    }

    @Test("The end of data: what follows a hook that changed the header alone keeps its body", arguments: [0, 300_000])
    func headerOnly(extra: Int) async throws {
        var plugin = Rewriter()
        plugin.message = [.header(.prepend(name: "X-Tag", value: "seen"))]
        let pair = try Pair(plugin)
        let body = "Hi\r\n" + String(repeating: "0123456789abcdef\r\n", count: extra / 18)
        let message = try await pair.deliver("Subject: one\r\n\r\n\(body)")
        #expect(message.body == body)
        #expect(pair.scribe.count("second message X-Tag: seen\r\nSubject: one\r\n\r\n\(body)") == 1)
    }

    @Test("The end of data: the route")
    func route() async throws {
        var plugin = Rewriter()
        plugin.route = "archive"
        let pair = try Pair(plugin)
        #expect(try await pair.deliver().envelope.recipients.map(\.route) == ["archive"])
    }

    @Test("An attempt: what is sent is changed, what is stored is not", arguments: [0, 300_000])
    func delivery(extra: Int) async throws {
        var plugin = Rewriter()
        plugin.delivery = [
            .header(.prepend(name: "X-Signed", value: "yes")),
            .replaceReversePath(.mailbox(try Self.mailbox("srs@example.org"))),
        ]
        let pair = try Pair(plugin)
        let body = "Hi\r\n" + String(repeating: "0123456789abcdef\r\n", count: extra / 18)
        let message = try await pair.deliver("Subject: one\r\n\r\n\(body)")
        guard case .sent(let sent) = try await pair.hub.deliver(message) else {
            Issue.record("not sent")
            return
        }
        #expect("\(sent.reversePath)" == "srs@example.org")
        #expect(sent.body == body)
        #expect(sent.header.first(named: "X-Signed")?.value == "yes")
        #expect(sent.octets.count == message.octets.count + "X-Signed: yes\r\n".utf8.count)
        #expect(
            pair.scribe.notes.contains { $0.hasPrefix("second delivery srs@example.org X-Signed: yes\r\nReceived:") }
        )
        let stored = try #require(try await pair.hub.messages.first)
        #expect(stored.octets == message.octets)
        #expect(pair.hub.contentFiles.count == (extra > 0 ? 1 : 0), "what was written for the attempt is removed")
    }
}
