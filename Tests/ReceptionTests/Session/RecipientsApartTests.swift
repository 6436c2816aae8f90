import MailHubPlugin
import MailHubPluginTesting
import SMTP
import Testing

@testable import Reception

@Suite("Recipients who differed about a message are remembered, within bounds")
struct RecipientsApartTests {
    private let clock = ManualClock()

    private func mailbox(_ name: String) throws -> Mailbox { try #require(Mailbox("\(name)@example.org")) }

    private func parties(_ count: Int) throws -> [Mailbox: Int] {
        try Dictionary(uniqueKeysWithValues: (0..<count).map { (try self.mailbox("r\($0)"), $0 % 2) })
    }

    @Test("who differs travels apart, for a day; whoever agrees does not")
    func apart() throws {
        let apart = RecipientsApart(clock: self.clock)
        let sender = ReversePath.mailbox(try self.mailbox("sender"))
        let client = IPAddress.ipv4(0xC000_0201)
        apart.note(try self.parties(4), client: client, reversePath: sender)
        func isApart(_ name: String, from other: String, sender: ReversePath = sender) throws -> Bool {
            apart.isApart(
                try self.mailbox(name),
                from: [try self.mailbox(other)],
                client: .ipv4(0xC000_02FE),
                reversePath: sender
            )
        }
        #expect(try isApart("r1", from: "r0"))
        #expect(try !isApart("r2", from: "r0"))
        #expect(try !isApart("r1", from: "stranger"))
        #expect(try !isApart("r1", from: "r0", sender: .null))
        self.clock.advance(by: .seconds(86_400))
        #expect(try !isApart("r1", from: "r0"))
    }

    @Test("the oldest are forgotten: by senders, and by recipients", arguments: [(5_003, 2, 5_000), (40, 5_000, 20)])
    func bounds(_ senders: Int, _ recipients: Int, _ kept: Int) throws {
        let apart = RecipientsApart(clock: self.clock)
        let parties = try self.parties(recipients)
        for number in 0..<senders {
            let sender = ReversePath.mailbox(try self.mailbox("s\(number)"))
            // Said twice, it counts once.
            for _ in 0..<2 { apart.note(parties, client: .ipv4(1), reversePath: sender) }
        }
        #expect(apart.size == (kept, kept * recipients))
        let last = ReversePath.mailbox(try self.mailbox("s\(senders - 1)"))
        let (one, other) = (try self.mailbox("r1"), try self.mailbox("r0"))
        #expect(apart.isApart(one, from: [other], client: .ipv4(1), reversePath: last))
    }

    @Test("who has differed again is not forgotten as one of the oldest")
    func again() throws {
        let apart = RecipientsApart(clock: self.clock)
        let parties = try self.parties(2)
        func note(_ sender: Int) throws {
            apart.note(parties, client: .ipv4(1), reversePath: .mailbox(try self.mailbox("s\(sender)")))
        }
        for number in 0..<5_000 { try note(number) }
        try note(0)
        try note(5_000)
        let (one, other) = (try self.mailbox("r1"), try self.mailbox("r0"))
        func isKnown(_ sender: Int) throws -> Bool {
            let path = ReversePath.mailbox(try self.mailbox("s\(sender)"))
            return apart.isApart(one, from: [other], client: .ipv4(1), reversePath: path)
        }
        #expect(try isKnown(0))
        #expect(try !isKnown(1))
    }
}
