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

    private func mailbox(_ name: String) throws -> Mailbox { try #require(Mailbox("\(name)@example.org")) }

    @Test("what an inner alias adds is not opened again by what the outer resolver's neighbours know")
    func addedWithin() throws {
        let (pair, eve, bob, carl) = (
            try self.mailbox("pair"), try self.mailbox("eve"), try self.mailbox("bob"), try self.mailbox("carl")
        )
        var expansion = RecipientExpansion(edits: [.replace(eve), .add(bob)])
        expansion.inner[eve] = RecipientExpansion(edits: [.add(bob), .route("store")])
        expansion.inner[bob] = RecipientExpansion(edits: [.replace(carl)])
        var state = RecipientState(asked: EnvelopeRecipient(pair))
        state.apply(expansion)
        #expect(
            state.recipients.map { "\($0.mailbox.localPart) \($0.route ?? "-")" } == [
                "eve store", "bob store", "carl -",
            ]
        )
    }

    @Test("who is there by two ways gets one copy, by the first")
    func twoWays() throws {
        let (pair, eve, staff) = (try self.mailbox("pair"), try self.mailbox("eve"), try self.mailbox("staff"))
        var expansion = RecipientExpansion(edits: [.replace(eve), .add(staff)])
        let bob = try self.mailbox("bob")
        expansion.inner[staff] = RecipientExpansion(edits: [.expand([eve, bob], owner: .null)])
        var state = RecipientState(asked: EnvelopeRecipient(pair))
        state.apply(expansion)
        #expect(state.recipients.map(\.mailbox.localPart.value) == ["eve", "bob"])
    }
}

@Suite("Which resolvers are asked about what an alias leads to")
struct RecipientWalkTests {
    typealias Question = RecipientWalk.Question

    private func mailbox(_ name: String) throws -> Mailbox { try #require(Mailbox("\(name)@example.org")) }

    private func list(_ names: [String]) throws -> RecipientExpansion {
        RecipientExpansion(edits: [.expand(try names.map(self.mailbox), owner: nil)])
    }

    /// Answers all questions as a table says: what an address stands for, and the next resolver; all others exist.
    private func walk(_ names: [String], _ table: [String: ([String], Int)], limit: Int = .max) throws -> (
        walk: RecipientWalk, asked: Int
    ) {
        let questions = try names.map { Question(mailbox: try self.mailbox($0), start: 0) }
        var walk = RecipientWalk(questions, postmaster: try self.mailbox("postmaster"))
        var asked = 0
        while asked < limit, let question = walk.next() {
            asked += 1
            if let (targets, next) = table[question.mailbox.localPart.value], question.start < next {
                let expansion = try self.list(targets)
                walk.note(expansion, served: Set(expansion.targets), next: next, for: question)
            } else {
                walk.note(.found(RecipientExpansion(edits: [])), for: question)
            }
        }
        return (walk, asked)
    }

    @Test("a mailbox that several lists name is asked about once")
    func once() throws {
        let (walk, asked) = try self.walk(
            ["a"],
            ["a": (["b", "c"], 1), "b": (["x", "y"], 2), "c": (["x", "y", "z"], 2)]
        )
        #expect(asked == 6)
        guard case .found(let found) = walk.finding(of: Question(mailbox: try self.mailbox("a"), start: 0)) else {
            Issue.record("not found")
            return
        }
        var state = RecipientState(asked: EnvelopeRecipient(try self.mailbox("a")))
        state.apply(found)
        #expect(state.recipients.map(\.mailbox.localPart.value) == ["x", "y", "z"])
    }

    @Test("what was not asked about is a failure for now, never an unknown mailbox")
    func unanswered() throws {
        let (walk, _) = try self.walk(["a"], ["a": (["b", "c"], 1)], limit: 2)
        guard case .unavailable = walk.finding(of: Question(mailbox: try self.mailbox("a"), start: 0)) else {
            Issue.record("decided without an answer")
            return
        }
    }

    @Test("the reason is what went wrong, not what was left out because of it; the last resolver's answers count, too")
    func reasons() throws {
        let all = Question(mailbox: try self.mailbox("all"), start: 0)
        var walk = RecipientWalk([all], postmaster: try self.mailbox("postmaster"))
        _ = walk.next()
        let expansion = try self.list((0..<300).map { "m\($0)" })
        walk.note(expansion, served: Set(expansion.targets), next: 1, for: all)
        let next = walk.next()
        let first = try #require(next)
        walk.note(.unavailable("the server is down"), for: first)
        #expect(walk.trouble == "the server is down")
        guard case .unavailable("the server is down") = walk.finding(of: all) else {
            Issue.record("\(walk.finding(of: all))")
            return
        }
        var large = RecipientWalk([all], postmaster: try self.mailbox("postmaster"))
        large.note(expansion, served: Set(expansion.targets), next: 1, for: all)
        let members = try self.list((0..<1000).map { "x\($0)" })
        while large.trouble == nil, let question = large.next() { large.note(.found(members), for: question) }
        guard case .unavailable = large.finding(of: all) else {
            Issue.record("taken")
            return
        }
    }

    @Test("lists of lists end: those that name too many mailboxes in all, and those that are long by themselves")
    func bounds() throws {
        var table: [String: ([String], Int)] = ["all": ((0..<200).map { "list\($0)" }, 1)]
        for number in 0..<200 { table["list\(number)"] = ((0..<1000).map { "m\($0)" }, 2) }
        let (many, asked) = try self.walk(["all"], table)
        guard case .unavailable(let why) = many.finding(of: Question(mailbox: try self.mailbox("all"), start: 0)) else {
            Issue.record("taken")
            return
        }
        #expect(why.contains("more than 100000 mailboxes"))
        #expect(asked <= 1 + 200 + 1000)
        // Twelve lists of their own are none too many.
        let twelve = (0..<12).map { "list\($0)" }
        for name in twelve { table[name] = ((0..<10_000).map { "m\($0)" }, 2) }
        let (several, _) = try self.walk(twelve, table)
        for name in twelve {
            guard case .found = several.finding(of: Question(mailbox: try self.mailbox(name), start: 0)) else {
                Issue.record("\(name) refused")
                return
            }
        }
        let (long, few) = try self.walk(["long"], ["long": ((0..<1001).map { "m\($0)" }, 1)])
        #expect(few == 1)
        guard case .found = long.finding(of: Question(mailbox: try self.mailbox("long"), start: 0)) else {
            Issue.record("refused")
            return
        }
    }
}
