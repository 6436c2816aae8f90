import MailHubPlugin

/// One limit: so many messages or recipients in a time, for each of something.
struct RateLimit: Sendable {
    /// What has a limit each.
    enum Subject: String, CaseIterable, Sendable {
        /// The client's network.
        case client
        /// The authenticated user.
        case user
        /// The reverse-path; the null one has no limit.
        case sender
        /// The domain of the reverse-path.
        case senderDomain
        /// The recipient.
        case recipient
        /// The domain of the recipient.
        case recipientDomain
        /// A listener.
        case listener

        /// Whether it is known only at RCPT.
        var isRecipient: Bool { self == .recipient || self == .recipientDomain }
    }

    /// What is counted.
    enum Unit: String, CaseIterable, Sendable {
        /// Each MAIL; for recipients, each RCPT.
        case messages
        /// Each RCPT.
        case recipients
    }

    /// Whose mail is counted.
    enum Clients: String, CaseIterable, Sendable {
        /// Neither of the two below.
        case others
        /// Clients of `relayNetworks`.
        case relay
        /// Authenticated sessions.
        case authenticated
        case all
    }

    /// What happens to what is too much.
    enum Action: String, CaseIterable, Sendable {
        /// 4yz: it may come later.
        case `defer`
        /// 5yz.
        case reject
    }

    /// Names it in logs.
    let name: String
    let subject: Subject
    let unit: Unit
    /// Tokens that come in a period.
    let amount: Int
    let period: Duration
    /// The most tokens that are saved.
    let burst: Int
    let clients: Clients
    /// Names of listeners; empty for all.
    let listeners: Set<String>
    let action: Action

    /// The command at which it takes its tokens.
    var isTakenAtRecipient: Bool { self.unit == .recipients || self.subject.isRecipient }

    /// Tokens that come in a time.
    func refill(in time: Duration) -> Double {
        Double(self.amount) * Double(max(time.inMilliseconds, 0)) / Double(self.period.inMilliseconds)
    }

    /// Reads one element of `"limits"`.
    init?(reading section: ConfigurationSection, index: Int) {
        let range = 1...1_000_000_000
        self.subject = section.enumeration("by", default: .client)
        let messages = section.optionalInteger("messages", in: range)
        let recipients = section.optionalInteger("recipients", in: range)
        self.period = section.duration("per", default: .seconds(3600))
        let burst = section.optionalInteger("burst", in: range)
        self.clients = section.enumeration("clients", default: self.subject == .user ? .authenticated : .others)
        self.listeners = Set(section.listeners("listeners") ?? [])
        self.action = section.enumeration("action", default: .defer)
        self.name = section.string("name", default: "\(self.subject.rawValue)-\(index + 1)")
        if section.has("messages") == section.has("recipients") {
            section.report(
                "a limit counts either messages or recipients",
                at: section.has("messages") ? "recipients" : "messages",
                fix: "write one of \"messages\" and \"recipients\""
            )
        }
        if !section.has("by") {
            section.report("missing", at: "by", fix: "say what has the limit: \"client\", \"sender\", ...")
        }
        if self.period <= .zero { section.report("a period of nothing", at: "per", fix: "write a time such as \"1h\"") }
        guard let amount = messages ?? recipients, self.period > .zero else { return nil }
        self.unit = messages == nil ? .recipients : .messages
        self.amount = amount
        self.burst = burst ?? amount
    }
}
