@testable import Delivery
import MailHubPlugin
import MailQueue
import NIOCore
import NIOPosix
import SMTP
import Testing

@Suite("RFC 5321 section 3.3: asking a next hop about a recipient")
struct RouteProbeTests {
    struct Row: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var script = Script()
        var dialect = SMTPTransport.Dialect.smtp
        var address = "bob@b.example"
        /// Short where the server says nothing.
        var limit = Duration.seconds(600)
        /// The answer's first word, and for a refusal the reply's codes.
        let answer: String
        /// What the server heard behind EHLO; `nil` where that is not the point.
        var lines: [String]?

        init(
            _ name: String,
            _ rules: KeyValuePairs<String, Answer> = [:],
            features: [String] = [],
            dialect: SMTPTransport.Dialect = .smtp,
            address: String = "bob@b.example",
            limit: Duration = .seconds(600),
            answer: String,
            lines: [String]? = nil
        ) {
            self.limit = limit
            self.testDescription = name
            self.script = Script(features, rules)
            self.dialect = dialect
            self.address = address
            self.answer = answer
            self.lines = lines
        }
    }

    @Test(arguments: [
        Row(
            "it exists: nothing is sent behind RCPT",
            answer: "exists",
            lines: ["MAIL FROM:<>", "RCPT TO:<bob@b.example>", "QUIT"]
        ),
        Row("by LMTP too", dialect: .lmtp, answer: "exists"),
        Row("will be forwarded", ["RCPT": "251 2.1.5 Will forward"], answer: "exists"),
        Row("no such mailbox", ["RCPT": "550 5.1.1 Who?"], answer: "unknown 550 5.1.1"),
        Row("no such mailbox, without an enhanced code", ["RCPT": "550 Who?"], answer: "unknown 550"),
        Row("moved", ["RCPT": "551 5.1.6 Elsewhere"], answer: "unknown 551 5.1.6"),
        Row("disabled", ["RCPT": "550 5.2.1 Disabled"], answer: "unknown 550 5.2.1"),
        Row("as Exchange Online says", ["RCPT": "550 5.4.1 Recipient address rejected"], answer: "unknown 550 5.4.1"),
        Row("refused by policy", ["RCPT": "550 5.7.1 No"], answer: "unavailable"),
        Row("our sender is refused", ["RCPT": "550 5.1.8 Bad sender"], answer: "unavailable"),
        Row("full", ["RCPT": "552 5.2.2 Full"], answer: "unavailable"),
        Row("a refusal without a code that says why", ["RCPT": "554 No"], answer: "unavailable"),
        Row("greylisted", ["RCPT": "451 4.7.1 Later"], answer: "unavailable"),
        Row("the null reverse-path is refused", ["MAIL": "550 5.1.1 No"], answer: "unavailable"),
        Row("refused at the greeting", ["CONNECT": "554 5.1.1 No"], answer: "unavailable"),
        Row("refused at EHLO", ["EHLO": "550 5.1.1 No"], answer: "unavailable"),
        Row("closed at RCPT", ["RCPT": .close], answer: "unavailable"),
        Row("421 at RCPT", ["RCPT": .replyAndClose("421 4.3.2 Bye")], answer: "unavailable"),
        Row("nonsense at RCPT", ["RCPT": .raw("what?\r\n")], answer: "unavailable"),
        Row("silence at RCPT", ["RCPT": .silence], limit: .milliseconds(300), answer: "unavailable"),
        Row("silence at the greeting", ["CONNECT": .silence], limit: .milliseconds(300), answer: "unavailable"),
        Row(
            "internationalized",
            features: ["SMTPUTF8"],
            address: "b\u{f6}b@b.example",
            answer: "exists",
            lines: ["MAIL FROM:<> SMTPUTF8", "RCPT TO:<b\u{f6}b@b.example>", "QUIT"]
        ),
        Row(
            "internationalized, and not taken",
            address: "b\u{f6}b@b.example",
            answer: "unavailable",
            lines: ["QUIT"]
        ),
    ])
    func asks(_ row: Row) async throws {
        try await ScriptedServer.run(row.script) { server in
            let mailbox = try #require(Mailbox(row.address))
            let answer = await self.probe(port: server.port, row.dialect, limit: row.limit)
                .probe(mailbox, route: "store")
            #expect(self.summary(answer) == row.answer)
            if let lines = row.lines { #expect(Array(server.heard.lines.dropFirst(2)) == lines) }
            #expect(!server.heard.wasRushed)
        }
    }

    @Test("the route of the recipient's domain, where none is named")
    func routeOfDomain() async throws {
        try await ScriptedServer.run(Script()) { server in
            let probe = self.probe(port: server.port, .smtp, limit: .seconds(600))
            for (address, route, answer) in [
                ("bob@b.example", nil, "exists"), ("bob@elsewhere.example", nil, "unavailable"),
                ("bob@elsewhere.example", "store", "exists"), ("bob@b.example", "nowhere", "unavailable"),
            ] as [(String, String?, String)] {
                let mailbox = try #require(Mailbox(address))
                #expect(self.summary(await probe.probe(mailbox, route: route)) == answer)
            }
        }
    }

    @Test("a route by which nobody can be asked, and a host that is down")
    func cannotBeAsked() async throws {
        let mailbox = try #require(Mailbox("bob@b.example"))
        let folder = Folder()
        let maildir = RouteProbe(eventLoops: MultiThreadedEventLoopGroup.singleton) {
            let transport = MaildirTransport(
                directory: folder.path,
                hostname: "hub.example",
                content: ContentDirectory(path: folder.path, pool: NIOThreadPool.singleton),
                pool: NIOThreadPool.singleton
            )
            return (Router(routeOfDomain: [:], defaultRoute: "store", usesMX: ["store": false]), ["store": transport])
        }
        #expect(self.summary(await maildir.probe(mailbox, route: nil)) == "unavailable")
        let down = self.probe(port: 1, .smtp, limit: .seconds(600))
        #expect(self.summary(await down.probe(mailbox, route: nil)) == "unavailable")
    }

    private func probe(port: Int, _ dialect: SMTPTransport.Dialect, limit: Duration) -> RouteProbe {
        RouteProbe(eventLoops: MultiThreadedEventLoopGroup.singleton, timeLimit: limit) {
            let transport = SMTPTransport(
                settings: .init(hostname: "hub.example", dialect: dialect),
                resolver: FixedNextHop(.host("127.0.0.1", port: port), resolver: ScriptedResolver()),
                published: .none,
                content: ContentDirectory(path: "/tmp", pool: NIOThreadPool.singleton),
                logger: .quiet
            )
            let domains = Domain("b.example").map { [$0: "store"] } ?? [:]
            return (
                Router(routeOfDomain: domains, defaultRoute: "internet", usesMX: ["store": false]), ["store": transport]
            )
        }
    }

    private func summary(_ answer: RecipientProbeAnswer) -> String {
        switch answer {
        case .exists: "exists"
        case .unavailable: "unavailable"
        case .doesNotExist(let reply):
            ["unknown", reply.code.description, reply.enhancedText].compactMap { $0 }.joined(separator: " ")
        }
    }
}
