import MailHubPlugin

/// The limits, in octets; made once, then only read.
struct SizeTable: Sendable {
    /// For every message.
    var message: Int?
    /// Instead of `message`, for messages that come by a listener.
    var listeners: [String: Int] = [:]
    /// For recipients in a domain.
    var domains: [Domain: Int] = [:]
    /// Instead of the domain's limit, for one recipient; local parts in lower case.
    private(set) var recipients: [Mailbox: Int] = [:]

    /// Sets the limit of one recipient.
    mutating func set(_ limit: Int, for recipient: Mailbox) { self.recipients[Self.canonical(recipient)] = limit }

    /// What a listener takes; `nil` for no limit.
    func limit(ofListener name: String) -> Int? { self.listeners[name] ?? self.message }

    /// What a recipient takes; `nil` for no limit of its own.
    func limit(of recipient: Mailbox) -> Int? {
        self.recipients[Self.canonical(recipient)] ?? recipient.domain.flatMap { self.domains[$0] }
    }

    private static func canonical(_ mailbox: Mailbox) -> Mailbox {
        guard let localPart = LocalPart(unquoted: mailbox.localPart.value.lowercased()) else { return mailbox }
        return Mailbox(localPart: localPart, host: mailbox.host)
    }
}
