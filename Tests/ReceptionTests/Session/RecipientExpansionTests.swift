import MailHubPlugin
import SMTP
import Testing

@testable import Reception

@Suite("What a recipient stands for is put in its place, within bounds")
struct RecipientExpansionTests {
    private func mailboxes(_ numbers: Range<Int>) throws -> [Mailbox] {
        try numbers.map { try #require(Mailbox("m\($0)@example.org")) }
    }

    @Test(
        "a list of lists: (lists, members of each, how far apart their first members are, recipients, whether these are too many)",
        arguments: [
            (10, 2_000, 0, 2_000, false), (10, 1_000, 1_000, 10_000, false), (10, 2_000, 500, 6_500, false),
            (11, 1_000, 1_000, 10_001, true), (1_000, 10_000, 10_000, 10_001, true),
        ]
    )
    func lists(_ row: (lists: Int, members: Int, apart: Int, recipients: Int, isTooLarge: Bool)) throws {
        let outer = try #require(Mailbox("all@example.org"))
        let lists = try (0..<row.lists).map { try #require(Mailbox("list\($0)@example.org")) }
        var expansion = RecipientExpansion(edits: [.expand(lists, owner: nil)])
        let all = try self.mailboxes(0..<(row.members + row.apart * min(row.lists - 1, 20)))
        for (index, list) in lists.enumerated() {
            let first = row.apart * min(index, 20)
            let members = Array(all[first..<(first + row.members)])
            expansion.inner[list] = RecipientExpansion(edits: [.expand(members, owner: nil)])
        }
        var state = RecipientState(asked: EnvelopeRecipient(outer))
        state.apply(expansion)
        #expect(state.recipients.count == row.recipients)
        #expect(state.isTooLarge == row.isTooLarge)
        #expect(state.recipients.allSatisfy { $0.named == outer })
    }
}
