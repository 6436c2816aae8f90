import HeaderRewrite
import MailHubPlugin
import NIOCore
import PluginTestSupport
import Testing

@Suite("Rules for header fields (RFC 5322 section 2.2)")
struct HeaderRewriteTests {
    struct Row: CustomTestStringConvertible, Sendable {
        let rules: String
        var before = "Subject: Hello\r\nX-A: 1\r\nx-a: 2\r\nReceived: by a\r\n"
        /// `nil` for no change.
        let after: String?
        var sender = "ann@example.com"
        var recipients = ["bob@example.org"]
        var context = session()
        var testDescription: String { "\(self.rules) on \(self.before.prefix(60).debugDescription)" }
    }

    @Test(
        "what rules do",
        arguments: [
            Row(
                rules: #"{"action": "add", "field": "X-B", "value": "new"}"#,
                after: "Subject: Hello\r\nX-A: 1\r\nx-a: 2\r\nReceived: by a\r\nX-B: new\r\n"
            ),
            Row(
                rules: #"{"action": "insert", "field": "X-B", "value": "new"}"#,
                after: "X-B: new\r\nSubject: Hello\r\nX-A: 1\r\nx-a: 2\r\nReceived: by a\r\n"
            ),
            Row(
                rules: #"{"action": "replace", "field": "x-A", "value": "<${value}>"}"#,
                after: "Subject: Hello\r\nx-A: <1>\r\nx-A: <2>\r\nReceived: by a\r\n"
            ),
            Row(
                rules: #"{"action": "replace", "field": "X-A", "value": "new", "where": "2"}"#,
                after: "Subject: Hello\r\nX-A: 1\r\nX-A: new\r\nReceived: by a\r\n"
            ),
            Row(rules: #"{"action": "replace", "field": "X-B", "value": "new"}"#, after: nil),
            Row(rules: #"{"action": "replace", "field": "Subject", "value": "Hello"}"#, after: nil),
            Row(
                rules: #"{"action": "set", "field": "X-A", "value": "${value}!"}"#,
                after: "Subject: Hello\r\nReceived: by a\r\nX-A: 1!\r\n"
            ),
            Row(
                rules: #"{"action": "set", "field": "subject", "value": "Bye"}"#,
                after: "subject: Bye\r\nX-A: 1\r\nx-a: 2\r\nReceived: by a\r\n"
            ),
            Row(
                rules: #"{"action": "set", "field": "X-B", "value": "${value}new"}"#,
                after: "Subject: Hello\r\nX-A: 1\r\nx-a: 2\r\nReceived: by a\r\nX-B: new\r\n"
            ),
            Row(
                rules: #"{"action": "remove", "field": "X-a"}"#,
                after: "Subject: Hello\r\nReceived: by a\r\n"
            ),
            Row(
                rules: #"{"action": "remove", "field": "X-A", "where": "?"}"#,
                after: "Subject: Hello\r\nReceived: by a\r\n"
            ),
            Row(
                rules: #"{"action": "remove", "field": "X-A", "where": "1"}"#,
                after: "Subject: Hello\r\nx-a: 2\r\nReceived: by a\r\n"
            ),
            Row(rules: #"{"action": "remove", "field": "X-B"}"#, after: nil),
            Row(rules: #"{"action": "remove", "field": "*"}"#, after: "Received: by a\r\n"),
            Row(
                rules: #"{"action": "remove", "field": "*"}"#,
                before: "DKIM-Signature: a\r\nARC-Seal: b\r\nResent-To: c\r\nReturn-Path: <>\r\nB: 1\r\nno field\r\n",
                after: "DKIM-Signature: a\r\nARC-Seal: b\r\nResent-To: c\r\nReturn-Path: <>\r\nno field\r\n"
            ),
            Row(
                rules: #"{"action": "remove", "field": "*", "trace": true}"#,
                before: "DKIM-Signature: a\r\nReceived: by a\r\nResent-To: c\r\n",
                after: "Received: by a\r\n"
            ),
            Row(
                rules: #"{"action": "remove", "field": "Return-Path", "trace": true}"#,
                before: "Return-Path: <>\r\nReceived: by a\r\n",
                after: "Received: by a\r\n"
            ),
            Row(
                rules:
                    #"{"action": "replace", "field": "To", "where": "*@old.example*", "value": "${1}@new.example${2}"}"#,
                before: "To: Ann <ann@OLD.example>,\r\n bob@b.example\r\n",
                after: "To: Ann <ann@new.example>, bob@b.example\r\n"
            ),
            Row(
                rules: #"""
                    {"action": "add", "field": "X-B", "value": "1"}, {"action": "replace", "field": "X-B", "value": "${value}2"},
                    {"action": "remove", "field": "X-A"}, {"action": "add", "field": "X-A", "value": "$$3"}
                    """#,
                after: "Subject: Hello\r\nReceived: by a\r\nX-B: 12\r\nX-A: $3\r\n"
            ),
            Row(
                rules:
                    #"{"action": "add", "field": "X-B", "value": "${client} ${helo} ${listener} ${sender} ${queue}"}"#,
                before: "A: 1\r\n",
                after: "A: 1\r\nX-B: 192.0.2.1 client.example mx <ann@example.com> q1\r\n"
            ),
        ]
    )
    func does(_ row: Row) async throws { try await self.check(row) }

    static let mark = #""action": "add", "field": "X", "value": "1""#
    static let marked = "Subject: Hello\r\nX-A: 1\r\nx-a: 2\r\nReceived: by a\r\nX: 1\r\n"

    @Test(
        "when rules are carried out",
        arguments: [
            Row(rules: #"{\#(mark), "direction": "in"}"#, after: marked),
            Row(rules: #"{\#(mark), "direction": "out"}"#, after: nil),
            Row(rules: #"{\#(mark), "direction": "in"}"#, after: nil, context: session(isRelayClient: true)),
            Row(rules: #"{\#(mark), "direction": "out"}"#, after: marked, context: session(isRelayClient: true)),
            Row(rules: #"{\#(mark), "direction": "out"}"#, after: marked, context: session(user: "ann")),
            Row(rules: #"{\#(mark), "direction": "out"}"#, after: marked, context: session(role: .submission)),
            Row(rules: #"{\#(mark), "direction": "any"}"#, after: marked, context: session(role: .submission)),
            Row(rules: #"{\#(mark), "listeners": ["a", "mx"]}"#, after: marked),
            Row(rules: #"{\#(mark), "listeners": ["a"]}"#, after: nil),
            Row(rules: #"{\#(mark), "senderDomains": ["COM"]}"#, after: marked),
            Row(rules: #"{\#(mark), "senderDomains": ["example.net"]}"#, after: nil),
            Row(rules: #"{\#(mark), "senderDomains": ["com"]}"#, after: nil, sender: ""),
            Row(rules: #"{\#(mark), "recipientDomains": ["example.org"]}"#, after: marked),
            Row(
                rules: #"{\#(mark), "recipientDomains": ["example.org"]}"#,
                after: marked,
                recipients: ["a@example.net", "b@sub.example.org"]
            ),
            Row(rules: #"{\#(mark), "recipientDomains": ["example.org"]}"#, after: nil, recipients: ["a@example.net"]),
            Row(rules: #"{\#(mark), "if": [{"field": "subject"}]}"#, after: marked),
            Row(rules: #"{\#(mark), "if": [{"field": "Subject", "absent": true}]}"#, after: nil),
            Row(rules: #"{\#(mark), "if": [{"field": "List-Id", "absent": true}]}"#, after: marked),
            Row(rules: #"{\#(mark), "if": [{"field": "Subject", "value": "hell?"}]}"#, after: marked),
            Row(rules: #"{\#(mark), "if": [{"field": "Subject", "value": "hell"}]}"#, after: nil),
            Row(rules: #"{\#(mark), "if": [{"field": "X-A", "value": "2"}]}"#, after: marked),
            Row(rules: #"{\#(mark), "if": [{"field": "X-A", "value": "2"}, {"field": "X-B"}]}"#, after: nil),
        ]
    )
    func covers(_ row: Row) async throws { try await self.check(row) }

    private func check(_ row: Row) async throws {
        let plugin = try TestServices().make(HeaderRewrite.self, #"{"rules": [\#(row.rules)]}"#)
        let header = HeaderSection(parsing: ByteBuffer(string: row.before + "\r\n"))
        let transaction = transaction(from: row.sender, to: row.recipients)
        switch try await plugin.header(message(header), transaction, row.context) {
        case .next: #expect(row.after == nil)
        case .change(let edits): #expect(try written(header, edits) == row.after.map { $0 + "\r\n" })
        case let other: Issue.record("\(other)")
        }
    }

    struct Match: CustomTestStringConvertible, Sendable {
        let pattern: String
        let value: String
        /// The stars joined by `|`; `nil` for no match.
        let stars: String?
        var testDescription: String { "\(self.pattern) and \(self.value.prefix(40))" }
        init(_ pattern: String, _ value: String, _ stars: String?) {
            (self.pattern, self.value, self.stars) = (pattern, value, stars)
        }
    }

    @Test(
        "patterns",
        arguments: [
            Match("*", "", ""), Match("*", "a", "a"), Match("a*", "A", ""), Match("a*", "b", nil),
            Match("*a", "ba", "b"),
            Match("*a", "ab", nil), Match("a*a", "a", nil), Match("a*a", "aa", ""), Match("*a*", "bab", "b|b"),
            Match("*a*", "aaa", "|aa"), Match("**", "ab", "|ab"), Match("a?c", "abc", ""), Match("a?c", "ac", nil),
            Match("?", "\u{1F600}", ""), Match("*a*b*", "xbxaxbx", "xbx|x|x"), Match("[a", "[A", ""),
            Match("\u{C4}*", "\u{E4}", nil), Match("*ab*ab", "abab", "|"), Match("*ab*ab", "ab", nil),
            Match("a*", String(repeating: "a", count: 5000), nil),
            Match("*a*a*a*a*a*a*a*a*b", String(repeating: "a", count: 4096), nil),
        ]
    )
    func patterns(_ row: Match) async throws {
        let stars = (1...max(row.pattern.count { $0 == "*" }, 1)).map { "${\($0)}" }.joined(separator: "|")
        let value = row.pattern.contains("*") ? "=\(stars)" : "="
        let rule = #"{"action": "replace", "field": "A", "where": "\#(row.pattern)", "value": "\#(value)"}"#
        let plugin = try TestServices().make(HeaderRewrite.self, #"{"rules": [\#(rule)]}"#)
        let header = HeaderSection(parsing: ByteBuffer(string: "A: \(row.value)\r\n\r\n"))
        var expected: MessageEdit?
        if let stars = row.stars { expected = .header(.replaceOne(name: "A", occurrence: 1, value: "=" + stars)) }
        switch try await plugin.header(message(header), transaction(), session()) {
        case .next: #expect(expected == nil)
        case .change(let edits): #expect(edits == [expected].compactMap { $0 })
        case let other: Issue.record("\(other)")
        }
    }

    @Test("what the client says cannot begin another field")
    func hostileClient() async throws {
        let rule = #"{"action": "add", "field": "X", "value": "${helo}"}"#
        let plugin = try TestServices().make(HeaderRewrite.self, #"{"rules": [\#(rule)]}"#)
        var context = session()
        context.helloName = "a\r\nBcc: eve@example.com\r\n\r\nbody"
        let header = HeaderSection(parsing: ByteBuffer(string: "A: 1\r\n\r\n"))
        guard case .change(let edits) = try await plugin.header(message(header), transaction(), context) else {
            Issue.record("no change")
            return
        }
        #expect(try written(header, edits) == "A: 1\r\nX: a  Bcc: eve@example.com    body\r\n\r\n")
    }

    @Test("a message that would need thousands of changes is refused; values do not grow without end")
    func bounds() async throws {
        let services = TestServices()
        let many = (0..<2000).map { "X-\($0): 1\r\n" }.joined()
        let remove = try services.make(HeaderRewrite.self, #"{"rules": [{"action": "remove", "field": "X-*"}]}"#)
        let header = HeaderSection(parsing: ByteBuffer(string: many + "\r\n"))
        guard case .reject(let reply) = try await remove.header(message(header), transaction(), session()) else {
            Issue.record("taken")
            return
        }
        #expect(describe(reply) == "550 5.6.0")
        #expect(services.counters.snapshot == ["refused": 1])

        let double = #"{"action": "replace", "field": "A", "value": "${value}${value}"}"#
        let rules = Array(repeating: double, count: 30).joined(separator: ",")
        let grow = try services.make(HeaderRewrite.self, #"{"rules": [\#(rules)]}"#)
        let small = HeaderSection(parsing: ByteBuffer(string: "A: abcdefgh\r\n\r\n"))
        guard case .change(let edits) = try await grow.header(message(small), transaction(), session()) else {
            Issue.record("no change")
            return
        }
        #expect(try written(small, edits).utf8.count < 20_000)
    }

    @Test(
        "What is wrong is told when the hub starts",
        arguments: [
            [#"{"rules": [{"action": "add", "field": "X", "value": ""}]}"#],
            ["{}", "$.rules: no rule is given"],
            [#"{"rules": [{}]}"#, "action: missing", "field: missing", "value: missing"],
            [
                #"{"rules": [{"action": "drop", "field": "X", "value": "1"}]}"#,
                #"action: "drop" is not one of "add", "insert", "replace", "set", "remove""#,
            ],
            [#"{"rules": [{"action": "remove", "field": ""}]}"#, "field: is empty"],
            [#"{"rules": [{"action": "remove", "field": "A B"}]}"#, #"field: "A B" cannot name a field"#],
            [
                #"{"rules": [{"action": "add", "field": "X-*", "value": "1"}]}"#,
                "field: a pattern names no field to write",
            ],
            [
                #"{"rules": [{"action": "remove", "field": "received", "trace": true}]}"#,
                "field: Received fields are kept as they are",
            ],
            [
                #"{"rules": [{"action": "remove", "field": "DKIM-Signature"}]}"#,
                "field: DKIM-Signature tells a message's way",
            ],
            [#"{"rules": [{"action": "remove", "field": "X", "value": "1"}]}"#, "value: nothing to write"],
            [#"{"rules": [{"action": "add", "field": "X", "value": "${valu}"}]}"#, "value: there is no ${valu}"],
            [#"{"rules": [{"action": "add", "field": "X", "value": "${0}"}]}"#, "value: there is no ${0}"],
            [#"{"rules": [{"action": "add", "field": "X", "value": "$5"}]}"#, "value: a $ without {name}"],
            [#"{"rules": [{"action": "add", "field": "X", "value": "${a"}]}"#, "value: a $ without {name}"],
            [
                #"{"rules": [{"action": "add", "field": "X", "value": "${value}"}]}"#,
                "value: a new field has no ${value} yet",
            ],
            [
                #"{"rules": [{"action": "replace", "field": "X", "value": "${2}", "where": "*"}]}"#,
                #"value: ${2} stands for no * of "where""#,
            ],
            [#"{"rules": [{"action": "add", "field": "X", "value": "1", "where": "*"}]}"#, "where: nothing to choose"],
            [
                #"{"rules": [{"action": "remove", "field": "X", "where": ""}]}"#,
                #"where: "" is not a pattern of 1 to 200 characters, with * and ?"#,
            ],
            [
                #"{"rules": [{"action": "remove", "field": "X", "direction": "up"}]}"#,
                #"direction: "up" is not one of "in", "out", "any""#,
            ],
            [
                #"{"rules": [{"action": "remove", "field": "X", "if": [{"field": "Y", "absent": true, "value": "*"}]}]}"#,
                "if[0].value: what is absent has no value",
            ],
            [#"{"rules": [{"action": "remove", "field": "X", "If": []}]}"#, "If: unknown key"],
        ]
    )
    func tells(_ row: [String]) throws {
        let problems = try TestServices().read(HeaderRewrite.self, row[0]).problems
        #expect(Set(problems.map { $0.replacing("$.rules[0].", with: "") }) == Set(row.dropFirst()))
    }
}

private struct NoContent: MessageContent {
    let size = 0
    func forEachPiece(_ body: (ByteBuffer) async throws -> Void) async throws {}
}

private func message(_ header: HeaderSection) -> MessageContext {
    MessageContext(header: header, size: 0, content: NoContent())
}

/// The section with the edits, as the hub would write it.
private func written(_ header: HeaderSection, _ edits: [MessageEdit]) throws -> String {
    var header = header
    for case .header(let edit) in edits { try header.apply(edit) }
    var buffer = ByteBuffer()
    header.write(into: &buffer)
    return String(buffer: buffer)
}
