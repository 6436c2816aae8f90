import MailHubPlugin
import SMTP

/// Whether a recipient exists, and what it is: the resolvers' business.
extension SMTPSession {
    /// The most targets of a list that resolvers behind are asked about; of a longer one, they are taken as they are.
    private static let mostTargets = 1000

    /// One resolver's answer.
    struct Answer: Sendable {
        let resolution: RecipientResolution
        /// Which one it was.
        let position: Int
    }

    /// What the resolvers have come to.
    enum Resolution {
        case settled(RecipientResolution)
        /// It may stand for somebody whom the resolvers behind are asked about, from the one at a place on.
        case alias(ResolvedRecipient, next: Int)
    }

    /// Asks the resolvers in order; the first that does not answer `next` decides.
    ///
    /// Where it names other mailboxes of the served domains, those behind it are asked about these: an alias is worth as much as
    /// what it stands for.
    func resolve(_ mailbox: Mailbox) async -> RecipientResolution {
        switch await self.resolve(mailbox, from: 0) {
        case .next: .notFound
        case let resolution: resolution
        }
    }

    /// - Parameter start: the first resolver to be asked.
    /// - Returns: `next` where none knows anything.
    private func resolve(_ mailbox: Mailbox, from start: Int) async -> RecipientResolution {
        let resolvers = self.settings.hooks.resolver
        let asked = start == 0 ? resolvers : Array(resolvers.dropFirst(start))
        let step = Self.question(mailbox, self.context)
        switch self.resolution(await self.runner.run(asked, true, willWait: self.flush, step: step)) {
        case .settled(let resolution): return resolution
        case .alias(let found, let next): return await self.resolve(found, of: mailbox, from: next)
        }
    }

    /// Asks one resolver.
    static func question(
        _ mailbox: Mailbox,
        _ context: SessionContext
    ) -> @Sendable (PlacedResolver, inout Bool) async throws -> ChainStep<Answer> {
        { placed, _ in
            switch try await placed.hook.resolve(mailbox, context) {
            case .next: .next
            case let resolution: .decided(Answer(resolution: resolution, position: placed.position))
            }
        }
    }

    func resolution(_ result: ChainResult<Bool, Answer>) -> Resolution {
        switch result {
        case .passed: return .settled(.next)
        case .failed(let plugin): return .settled(.unavailable("plugin \(plugin) failed"))
        case .decided(let answer, _):
            guard case .found(let found) = answer.resolution, !found.targets.isEmpty,
                answer.position + 1 < self.settings.hooks.resolver.count
            else { return .settled(answer.resolution) }
            return .alias(found, next: answer.position + 1)
        }
    }

    /// Asks about what a mailbox stands for.
    func resolve(
        _ found: ResolvedRecipient,
        of mailbox: Mailbox,
        from start: Int
    ) async -> RecipientResolution {
        let targets = found.targets.filter { $0 != mailbox && self.isServed($0) }
        guard let first = targets.first, targets.count <= Self.mostTargets else { return .found(found) }
        if found.isAlias {
            switch await self.resolve(first, from: start) {
            case .next: return .found(found)
            case .found(let further): return .found(ResolvedRecipient(edits: found.edits + further.edits))
            case .unavailable(let why): return .unavailable(why)
            case .notFound: break
            }
        } else {
            let answers = await self.resolve(targets, from: start)
            var isAlive = targets.count < found.targets.count
            for answer in answers.values {
                switch answer {
                // Taken as it stands it might be refused later; now the client can be told to come back.
                case .unavailable(let why): return .unavailable(why)
                case .next, .found: isAlive = true
                case .notFound: continue
                }
            }
            // A list that leads somewhere is taken: about members who do not exist their reports tell.
            if isAlive { return .found(found.expanding(answers)) }
        }
        self.logger.info("an alias leads nowhere", metadata: ["to": "\(mailbox)", "target": "\(first)"])
        return .notFound
    }

    /// Asks about several mailboxes, all at the same time.
    func resolve(_ mailboxes: [Mailbox], from start: Int) async -> [Mailbox: RecipientResolution] {
        await withTaskGroup { group in
            for mailbox in Set(mailboxes) { group.addTask { (mailbox, await self.resolve(mailbox, from: start)) } }
            var answers: [Mailbox: RecipientResolution] = [:]
            for await (mailbox, answer) in group { answers[mailbox] = answer }
            return answers
        }
    }
}

extension ResolvedRecipient {
    /// The same with what each member of a list stands for in the member's place.
    ///
    /// Reports about members go to the owner of the outer list.
    fileprivate func expanding(_ answers: [Mailbox: RecipientResolution]) -> ResolvedRecipient {
        func members(_ mailbox: Mailbox) -> [EnvelopeRecipient] {
            var state = RecipientState(asked: EnvelopeRecipient(mailbox))
            if case .found(let further) = answers[mailbox] { further.edits.forEach { state.apply($0) } }
            return state.recipients
        }
        func routes(_ members: [EnvelopeRecipient]) -> [RecipientEdit] {
            let pairs = members.compactMap { member in member.route.map { (member.mailbox, $0) } }
            return pairs.isEmpty ? [] : [.routeMembers(Dictionary(pairs) { $1 })]
        }
        return ResolvedRecipient(
            edits: self.edits.flatMap { edit -> [RecipientEdit] in
                switch edit {
                case .expand(let mailboxes, let owner):
                    let all = mailboxes.flatMap(members)
                    return [.expand(all.map(\.mailbox), owner: owner)] + routes(all)
                case .add(let mailbox):
                    let all = members(mailbox)
                    return all.map { .add($0.mailbox) } + routes(all)
                case .replace, .drop, .route, .routeMembers, .limitSize: return [edit]
                }
            }
        )
    }

    /// The mailboxes that it stands for.
    var targets: [Mailbox] {
        self.edits.flatMap { edit -> [Mailbox] in
            switch edit {
            case .replace(let mailbox), .add(let mailbox): [mailbox]
            case .expand(let mailboxes, _): mailboxes
            case .drop, .route, .routeMembers, .limitSize: []
            }
        }
    }

    /// Whether it stands for one other mailbox instead of itself.
    fileprivate var isAlias: Bool {
        self.targets.count == 1
            && self.edits.contains { edit in
                if case .replace = edit { true } else { false }
            }
    }
}
