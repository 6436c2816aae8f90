import MailHubPlugin
import SMTP

/// The way from what a client names to who gets the mail: which resolver is asked about what next, and what comes of the answers.
///
/// An alias is worth as much as what it stands for: where a resolver names other mailboxes of the served domains, those behind it
/// are asked about these. So the way ends with the last resolver.
struct RecipientWalk {
    /// A mailbox, and the first of the resolvers that are asked about it.
    struct Question: Hashable, Sendable {
        let mailbox: Mailbox
        let start: Int
    }
    private enum Answer {
        case settled(RecipientFinding)
        case alias(RecipientExpansion, Targets)
    }
    /// Who is behind an alias.
    private struct Targets {
        let questions: [Question]
        /// Whether there are others, whom nobody is asked about.
        let hasOthers: Bool
    }

    /// The most targets of a list that are asked about; of a longer one, all are taken as they are.
    static let mostTargets = 1_000
    /// The most mailboxes that all the answers together may name: lists in lists could name any number.
    ///
    /// Where the client has named several, each of them may be a list of its own besides.
    static let mostNamed = 10 * RecipientState.maximumExpansion

    /// Who reads mail to a postmaster whom no resolver knows (RFC 5321 section 4.5.1).
    private let postmaster: Mailbox
    private var answers: [Question: Answer] = [:]
    /// Those asked about and those to be asked about.
    private var known: Set<Question> = []
    private var open: [Question] = []
    private var allowance = RecipientWalk.mostNamed
    /// The first reason why something cannot be said now.
    private(set) var trouble: String?

    /// - Parameter asked: what the client has named.
    init(_ asked: [Question], postmaster: Mailbox) {
        self.postmaster = postmaster
        asked.forEach { self.ask($0) }
        self.allowance += max(0, asked.count - 1) * RecipientState.maximumExpansion
    }

    /// The next question; `nil` while there is none.
    mutating func next() -> Question? { self.open.popLast() }

    /// Asks about a mailbox, unless that has been done.
    private mutating func ask(_ question: Question) {
        if self.known.insert(question).inserted { self.open.append(question) }
    }

    /// Notes an answer that leads no further.
    mutating func note(_ finding: RecipientFinding, for question: Question) {
        var finding = finding
        if case .found(let expansion) = finding, let excess = self.excess(expansion.targets) {
            finding = .unavailable(excess)
        }
        self.settle(finding, for: question)
    }

    private mutating func settle(_ finding: RecipientFinding, for question: Question) {
        if self.trouble == nil, case .unavailable(let why) = finding { self.trouble = why }
        self.known.insert(question)
        self.answers[question] = .settled(finding)
    }

    /// Counts the mailboxes that an answer names; why they are too many, or `nil`.
    private mutating func excess(_ targets: [Mailbox]) -> String? {
        self.allowance -= targets.count
        return self.allowance >= 0 ? nil : "it stands for more than \(Self.mostNamed) mailboxes"
    }

    /// Notes an answer that names other mailboxes.
    ///
    /// - Parameters:
    ///   - served: those of its targets that are in served domains.
    ///   - next: the first of the resolvers behind the one that gave it.
    mutating func note(_ expansion: RecipientExpansion, served: Set<Mailbox>, next: Int, for question: Question) {
        let targets = expansion.targets
        if let excess = self.excess(targets) { return self.settle(.unavailable(excess), for: question) }
        guard !served.isEmpty, served.count <= Self.mostTargets else {
            return self.settle(.found(expansion), for: question)
        }
        let questions = served.map { Question(mailbox: $0, start: next) }
        let hasOthers = targets.contains { !served.contains($0) }
        self.known.insert(question)
        self.answers[question] = .alias(expansion, Targets(questions: questions, hasOthers: hasOthers))
        questions.forEach { self.ask($0) }
    }

    /// Whether somebody else is behind a mailbox.
    func isAlias(_ question: Question) -> Bool { if case .alias = self.answers[question] { true } else { false } }

    /// What has come of a question, once all have been answered; those that have not are temporary failures.
    func finding(of question: Question) -> RecipientFinding {
        var made: [Question: RecipientFinding] = [:]
        return self.finding(of: question, &made)
    }

    private func finding(of question: Question, _ made: inout [Question: RecipientFinding]) -> RecipientFinding {
        if let finding = made[question] { return finding }
        let finding: RecipientFinding =
            switch self.answers[question] {
            // Whatever has kept it from being asked about.
            case nil: .unavailable(self.trouble ?? "\(question.mailbox) was not asked about in time")
            case .settled(let finding): finding
            case .alias(let expansion, let targets): self.finding(expansion, targets, &made)
            }
        made[question] = finding
        return finding
    }

    private func finding(
        _ found: RecipientExpansion,
        _ targets: Targets,
        _ made: inout [Question: RecipientFinding]
    ) -> RecipientFinding {
        var expansion = found
        // A list that leads somewhere is taken: about members who do not exist their reports tell.
        var isAlive = targets.hasOthers
        for question in targets.questions {
            switch self.finding(of: question, &made).orPostmaster(self.postmaster, for: question.mailbox) {
            case .found(let inner):
                expansion.inner[question.mailbox] = inner
                isAlive = true
            case .next: isAlive = true
            case .notFound: continue
            // Taken as it stands it might be refused later; now the client can be told to come back.
            case .unavailable(let why): return .unavailable(why)
            }
        }
        return isAlive ? .found(expansion) : .notFound
    }
}

extension RecipientFinding {
    /// The same, but that there always is a postmaster, whether a resolver knows it or not (RFC 5321 section 4.5.1).
    func orPostmaster(_ postmaster: Mailbox, for mailbox: Mailbox) -> Self {
        switch self {
        case .next where mailbox.isPostmaster(postmaster), .notFound where mailbox.isPostmaster(postmaster):
            .found(RecipientExpansion(edits: [.replace(postmaster)]))
        case .next, .found, .notFound, .unavailable: self
        }
    }
}

extension Mailbox {
    /// Whether mail to it is for the postmaster: by its name, in any case, or because the hub's is this one (RFC 5321 section 4.5.1).
    func isPostmaster(_ postmaster: Mailbox) -> Bool {
        self == postmaster || self.localPart.value.lowercased() == "postmaster"
    }
}
