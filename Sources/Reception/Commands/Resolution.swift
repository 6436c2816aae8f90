import MailHubPlugin
import SMTP

/// Whether a recipient exists, and what it is: the resolvers' business.
extension SMTPSession {
    /// The most targets of a list that resolvers behind are asked about; of a longer one, they are taken as they are.
    private static let mostTargets = 1000
    /// How many of them at a time.
    private static let targetsAtOnce = 16

    /// One resolver's answer.
    struct Answer: Sendable {
        let resolution: RecipientResolution
        /// Which one it was.
        let position: Int
    }

    /// What is known once a resolver has answered.
    enum Resolution {
        case settled(RecipientFinding)
        /// It may stand for somebody whom the resolvers behind are asked about, from the one at a place on.
        case alias(RecipientExpansion, next: Int)
    }

    /// Asks the resolvers in order; the first that does not answer `next` decides.
    ///
    /// Where it names other mailboxes of the served domains, those behind it are asked about these: an alias is worth as much as
    /// what it stands for.
    func resolve(_ mailbox: Mailbox) async -> RecipientFinding { await self.resolve(mailbox, from: 0) }

    /// - Parameter start: the first resolver to be asked.
    private func resolve(_ mailbox: Mailbox, from start: Int) async -> RecipientFinding {
        let resolvers = self.settings.hooks.resolver
        let asked = start == 0 ? resolvers : Array(resolvers.dropFirst(start))
        let step = Self.question(mailbox, self.context)
        switch self.resolution(await self.runner.run(asked, true, willWait: self.flush, step: step)) {
        case .settled(let finding): return finding
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
            let finding = RecipientFinding(answer.resolution)
            guard case .found(let expansion) = finding, !expansion.targets.isEmpty,
                answer.position + 1 < self.settings.hooks.resolver.count
            else { return .settled(finding) }
            return .alias(expansion, next: answer.position + 1)
        }
    }

    /// Asks about what a mailbox stands for.
    func resolve(
        _ found: RecipientExpansion,
        of mailbox: Mailbox,
        from start: Int
    ) async -> RecipientFinding {
        let all = Set(found.targets)
        let targets = all.filter { self.isServed($0) }
        guard let first = targets.first, targets.count <= Self.mostTargets else { return .found(found) }
        var expansion = found
        // A list that leads somewhere is taken: about members who do not exist their reports tell.
        var isAlive = targets.count < all.count
        for (target, finding) in await self.resolve(targets, from: start, atOnce: Self.targetsAtOnce, isOneThing: true)
        {
            switch finding {
            case .found(let inner):
                expansion.inner[target] = inner
                isAlive = true
            case .next where !self.isPostmaster(target):
                isAlive = true
            case .next, .notFound:
                // There always is one (RFC 5321 section 4.5.1).
                guard self.isPostmaster(target) else { continue }
                expansion.inner[target] = self.postmaster
                isAlive = true
            // Taken as it stands it might be refused later; now the client can be told to come back.
            case .unavailable(let why): return .unavailable(why)
            }
        }
        if isAlive { return .found(expansion) }
        self.logger.info("an alias leads nowhere", metadata: ["to": "\(mailbox)", "target": "\(first)"])
        return .notFound
    }

    /// Asks about several mailboxes, some at a time.
    ///
    /// - Parameter isOneThing: whether nobody else is asked about once one of them cannot be asked about.
    func resolve(
        _ mailboxes: Set<Mailbox>,
        from start: Int,
        atOnce width: Int,
        isOneThing: Bool = false
    ) async -> [Mailbox: RecipientFinding] {
        await withTaskGroup(of: (Mailbox, RecipientFinding).self) { group in
            var findings: [Mailbox: RecipientFinding] = [:]
            var rest = mailboxes.makeIterator()
            func startNext() {
                guard let mailbox = rest.next() else { return }
                group.addTask { (mailbox, await self.resolve(mailbox, from: start)) }
            }
            for _ in 0..<width { startNext() }
            for await (mailbox, finding) in group {
                findings[mailbox] = finding
                if isOneThing, case .unavailable = finding { break }
                startNext()
            }
            group.cancelAll()
            return findings
        }
    }

    // MARK: Postmaster

    func isPostmaster(_ mailbox: Mailbox) -> Bool { mailbox.localPart.value.lowercased() == "postmaster" }

    /// Who reads mail to a postmaster whom no resolver knows (RFC 5321 section 4.5.1).
    var postmaster: RecipientExpansion { RecipientExpansion(edits: [.replace(self.settings.postmaster)]) }
}
