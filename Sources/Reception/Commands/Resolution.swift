import MailHubPlugin
import NIOCore
import SMTP

/// Whether a recipient exists, and what it is: the resolvers' business.
extension SMTPSession {
    /// The most questions at a time about what aliases lead to.
    private static let targetsAtOnce = 16
    /// How long all that is behind the aliases of one command may take: a client waits five minutes (RFC 5321 section 4.5.3.2.3).
    private static let timeForTargets = TimeAmount.minutes(2)

    /// One resolver's answer.
    struct Answer: Sendable {
        let resolution: RecipientResolution
        /// Which one it was.
        let position: Int
    }

    /// Which resolvers a question has reached.
    struct Asked: Sendable {
        /// One has failed, and its configuration says that this be ignored.
        private(set) var isIncomplete = false

        mutating func noteFailure() { self.isIncomplete = true }

        /// What follows from an answer: the one that failed might have known better than those that know of no such mailbox.
        func finding(_ finding: RecipientFinding) -> RecipientFinding {
            switch finding {
            case .next where self.isIncomplete, .notFound where self.isIncomplete: .unavailable("a plugin failed")
            default: finding
            }
        }
    }

    /// What is known once a resolver has answered.
    enum Resolution: Sendable {
        case settled(RecipientFinding)
        /// It may stand for somebody whom the resolvers behind are asked about, from the one at a place on.
        case alias(RecipientExpansion, next: Int)
    }

    /// Asks the resolvers in order, and those behind about what an alias stands for.
    func resolve(_ mailbox: Mailbox) async -> RecipientFinding {
        await self.resolve([mailbox], atOnce: 1)[mailbox] ?? .next
    }

    /// Asks about several mailboxes, all or some at a time.
    func resolve(_ mailboxes: Set<Mailbox>, atOnce width: Int) async -> [Mailbox: RecipientFinding] {
        let questions = mailboxes.map { RecipientWalk.Question(mailbox: $0, start: 0) }
        var walk = RecipientWalk(questions, postmaster: self.settings.postmaster)
        walk = await self.asked(walk, atOnce: width, stopsAtTrouble: mailboxes.count == 1)
        return Dictionary(uniqueKeysWithValues: questions.map { ($0.mailbox, self.finding(of: $0, walk)) })
    }

    /// Asks about what a mailbox stands for.
    func resolve(_ found: RecipientExpansion, of mailbox: Mailbox, from start: Int) async -> RecipientFinding {
        let question = RecipientWalk.Question(mailbox: mailbox, start: 0)
        var walk = RecipientWalk([], postmaster: self.settings.postmaster)
        walk.note(found, served: self.served(found), next: start, for: question)
        walk = await self.asked(walk, atOnce: Self.targetsAtOnce, stopsAtTrouble: true)
        return self.finding(of: question, walk)
    }

    /// Whether there is such a mailbox.
    struct MailboxQuestion: StageQuestion {
        let mailbox: Mailbox
        let session: SessionContext

        func ask(_ placed: PlacedResolver, _: inout Asked) async throws -> ChainStep<Answer> {
            switch try await placed.hook.resolve(self.mailbox, self.session) {
            case .next: .next
            case let resolution: .decided(Answer(resolution: resolution, position: placed.position))
            }
        }

        func noteIgnored(in asked: inout Asked) { asked.noteFailure() }
    }

    func resolution(_ result: ChainResult<Asked, Answer>) -> Resolution {
        switch result {
        case .passed(let asked): return .settled(asked.finding(.next))
        case .failed(let plugin): return .settled(.unavailable("plugin \(plugin) failed"))
        case .decided(let answer, let asked):
            let finding = asked.finding(RecipientFinding(answer.resolution))
            guard case .found(let expansion) = finding, !expansion.targets.isEmpty,
                answer.position + 1 < self.settings.hooks.resolver.count
            else { return .settled(finding) }
            return .alias(expansion, next: answer.position + 1)
        }
    }

    // MARK: The walk

    /// Goes on until nothing is left to ask.
    ///
    /// - Parameter stopsAtTrouble: whether one question that cannot be answered decides all.
    private func asked(_ given: RecipientWalk, atOnce width: Int, stopsAtTrouble: Bool) async -> RecipientWalk {
        let end = self.eventLoop.now + Self.timeForTargets
        return await withTaskGroup(of: (RecipientWalk.Question, Resolution).self) { group in
            var walk = given
            // First those that the client has named, then what they lead to.
            var width = width
            var underWay = 0
            while true {
                while underWay < width, !self.isDisconnected, self.eventLoop.now < end, let question = walk.next() {
                    underWay += 1
                    group.addTask { (question, await self.ask(question)) }
                }
                width = Self.targetsAtOnce
                guard let (question, resolution) = await group.next() else { return walk }
                underWay -= 1
                switch resolution {
                case .alias(let found, let next):
                    walk.note(found, served: self.served(found), next: next, for: question)
                case .settled(let finding):
                    walk.note(finding, for: question)
                }
                if stopsAtTrouble, walk.trouble != nil {
                    group.cancelAll()
                    return walk
                }
            }
        }
    }

    private func ask(_ question: RecipientWalk.Question) async -> Resolution {
        let resolvers = self.settings.hooks.resolver
        let asked = question.start == 0 ? resolvers : Array(resolvers.dropFirst(question.start))
        let question = MailboxQuestion(mailbox: question.mailbox, session: self.context)
        return self.resolution(await self.runner.run(question, asked, Asked(), willWait: self.flush))
    }

    private func served(_ expansion: RecipientExpansion) -> Set<Mailbox> {
        Set(expansion.targets.filter { self.isServed($0) })
    }

    private func finding(of question: RecipientWalk.Question, _ walk: RecipientWalk) -> RecipientFinding {
        let finding = walk.finding(of: question)
        if case .notFound = finding, walk.isAlias(question) {
            self.logger.info("an alias leads nowhere", metadata: ["to": "\(question.mailbox)"])
        }
        return finding
    }
}
