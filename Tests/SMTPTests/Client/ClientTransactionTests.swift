import SMTP
import Testing

@Suite("RFC 5321 sections 3.3 and 4.2, RFC 2920 section 3.1, RFC 2033 section 4.2: a transaction from the sending side")
struct ClientTransactionTests {
    /// A transaction played to its end: the server's replies, and what must come of them.
    struct Row: Sendable, CustomTestStringConvertible {
        var recipients = 2
        var pipelining = true
        var isLMTP = false
        var content = ClientTransaction.ContentCommand.data
        /// `lost` where the connection goes.
        let replies: String
        /// Actions: `MAIL+R0+R1+DATA` lines sent, `content`, `dot`, `-` wait, `end`, `end+RSET`, `closed`.
        let actions: String
        /// A letter for each recipient: delivered, deferred (`t`), failed, again.
        let outcomes: String
        var testDescription: String {
            "\(self.replies)\(self.pipelining ? "" : ", one by one")\(self.isLMTP ? ", LMTP" : "")"
        }
    }

    static let rows = [
        // All goes well.
        Row(replies: "250 250 250 354 250", actions: "MAIL+R0+R1+DATA - - - content end", outcomes: "d d"),
        Row(
            pipelining: false,
            replies: "250 250 250 354 250",
            actions: "MAIL R0 R1 DATA content end",
            outcomes: "d d"
        ),
        Row(content: .chunk, replies: "250 250 250 250", actions: "MAIL+R0+R1 - - content end", outcomes: "d d"),
        Row(
            pipelining: false,
            content: .chunk,
            replies: "250 250 250 250",
            actions: "MAIL R0 R1 content end",
            outcomes: "d d"
        ),
        // MAIL is refused.
        Row(replies: "550 503 503 503", actions: "MAIL+R0+R1+DATA - - - end", outcomes: "f f"),
        Row(replies: "451 503 503 503", actions: "MAIL+R0+R1+DATA - - - end", outcomes: "t t"),
        Row(replies: "550 503 503 354 554", actions: "MAIL+R0+R1+DATA - - - dot end", outcomes: "f f"),
        Row(replies: "550 250 250 354 250", actions: "MAIL+R0+R1+DATA - - - dot end", outcomes: "f f"),
        Row(pipelining: false, replies: "450", actions: "MAIL end", outcomes: "t t"),
        Row(content: .chunk, replies: "550 503 503", actions: "MAIL+R0+R1 - - end", outcomes: "f f"),
        // Recipients are refused.
        Row(replies: "250 550 250 354 250", actions: "MAIL+R0+R1+DATA - - - content end", outcomes: "f d"),
        Row(replies: "250 250 450 354 250", actions: "MAIL+R0+R1+DATA - - - content end", outcomes: "d t"),
        Row(replies: "250 550 450 503", actions: "MAIL+R0+R1+DATA - - - end+RSET", outcomes: "f t"),
        Row(replies: "250 550 550 354 554", actions: "MAIL+R0+R1+DATA - - - dot end", outcomes: "f f"),
        Row(pipelining: false, replies: "250 550 550", actions: "MAIL R0 R1 end+RSET", outcomes: "f f"),
        Row(pipelining: false, replies: "250 550 250 354 250", actions: "MAIL R0 R1 DATA content end", outcomes: "f d"),
        Row(content: .chunk, replies: "250 550 550", actions: "MAIL+R0+R1 - - end+RSET", outcomes: "f f"),
        // Too many recipients: the rest in another transaction, unless none was taken.
        Row(replies: "250 250 452 354 250", actions: "MAIL+R0+R1+DATA - - - content end", outcomes: "d a"),
        Row(replies: "250 250 552 354 250", actions: "MAIL+R0+R1+DATA - - - content end", outcomes: "d a"),
        Row(replies: "250 452 552 503", actions: "MAIL+R0+R1+DATA - - - end+RSET", outcomes: "t f"),
        // DATA, and the content.
        Row(replies: "250 250 250 451", actions: "MAIL+R0+R1+DATA - - - end+RSET", outcomes: "t t"),
        Row(replies: "250 250 250 554", actions: "MAIL+R0+R1+DATA - - - end+RSET", outcomes: "f f"),
        Row(replies: "250 250 250 250", actions: "MAIL+R0+R1+DATA - - - end+RSET", outcomes: "t t"),
        Row(replies: "250 250 250 354 452", actions: "MAIL+R0+R1+DATA - - - content end", outcomes: "t t"),
        Row(replies: "250 250 550 354 554", actions: "MAIL+R0+R1+DATA - - - content end", outcomes: "f f"),
        // Codes that nobody knows go by their first digit; those outside the protocol are tried again.
        Row(replies: "299 298 599 354 222", actions: "MAIL+R0+R1+DATA - - - content end", outcomes: "d f"),
        Row(replies: "250 499 699 503", actions: "MAIL+R0+R1+DATA - - - end+RSET", outcomes: "t t"),
        Row(replies: "150 503 503 503", actions: "MAIL+R0+R1+DATA - - - end", outcomes: "t t"),
        // 421 at any place, and a lost connection.
        Row(replies: "421", actions: "MAIL+R0+R1+DATA closed", outcomes: "t t"),
        Row(replies: "250 550 421", actions: "MAIL+R0+R1+DATA - - closed", outcomes: "f t"),
        Row(replies: "250 250 550 354 421", actions: "MAIL+R0+R1+DATA - - - content closed", outcomes: "t f"),
        Row(replies: "250 550 lost", actions: "MAIL+R0+R1+DATA - -", outcomes: "f t"),
        Row(replies: "250 250 250 354 lost", actions: "MAIL+R0+R1+DATA - - - content", outcomes: "t t"),
        // LMTP: a reply for each accepted recipient.
        Row(
            isLMTP: true,
            replies: "250 250 250 354 250 550",
            actions: "MAIL+R0+R1+DATA - - - content - end",
            outcomes: "d f"
        ),
        Row(
            recipients: 3,
            isLMTP: true,
            replies: "250 250 550 250 354 450 250",
            actions: "MAIL+R0+R1+R2+DATA - - - - content - end",
            outcomes: "t f d"
        ),
        Row(
            isLMTP: true,
            replies: "250 250 250 354 250 421",
            actions: "MAIL+R0+R1+DATA - - - content - closed",
            outcomes: "d t"
        ),
        Row(
            isLMTP: true,
            replies: "250 250 250 354 250 lost",
            actions: "MAIL+R0+R1+DATA - - - content -",
            outcomes: "d t"
        ),
        Row(isLMTP: true, replies: "250 550 550 503", actions: "MAIL+R0+R1+DATA - - - end+RSET", outcomes: "f f"),
    ]

    @Test(
        "S5321-3.3-09, S5321-3.3-13, S5321-4.2-07, S5321-4.5.3.1.8-04: replies, actions and outcomes",
        arguments: Self.rows
    )
    func play(_ row: Row) throws {
        var transaction = ClientTransaction(
            recipients: row.recipients,
            pipelining: row.pipelining,
            isLMTP: row.isLMTP,
            content: row.content
        )
        var actions = [Self.text(transaction.start())]
        for word in row.replies.split(separator: " ") {
            guard let code = Int(word) else {
                transaction.connectionLost(Self.lost)
                continue
            }
            actions.append(
                Self.text(transaction.received(Reply(received: ReplyCode(received: code), nil, lines: [""])))
            )
        }
        #expect(actions.joined(separator: " ") == row.actions)
        #expect(transaction.outcomes.map(Self.text).joined(separator: " ") == row.outcomes)
    }

    static let lost = Reply(received: ReplyCode(received: 451), nil, lines: ["lost"])

    private static func text(_ action: ClientTransaction.Action) -> String {
        switch action {
        case .send(let lines):
            lines.map { line in
                switch line {
                case .mail: "MAIL"
                case .recipient(let index): "R\(index)"
                case .data: "DATA"
                }
            }.joined(separator: "+")
        case .sendContent: "content"
        case .sendEmptyContent: "dot"
        case .wait: "-"
        case .finished(let reset): reset ? "end+RSET" : "end"
        case .closed: "closed"
        }
    }

    private static func text(_ outcome: ClientTransaction.Outcome?) -> String {
        switch outcome {
        case .delivered: "d"
        case .deferred: "t"
        case .failed: "f"
        case .again: "a"
        case nil: "?"
        }
    }
}
