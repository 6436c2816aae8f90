import MailHubPlugin

/// Mailboxes that take little room where they are written: whoever lives where the one before does is written without the `@` and
/// what follows it.
struct CompactMailboxes: Hashable, Sendable, Codable {
    let mailboxes: [Mailbox]

    init(_ mailboxes: [Mailbox]) { self.mailboxes = mailboxes }

    init(from decoder: any Decoder) throws {
        var container = try decoder.unkeyedContainer()
        var mailboxes: [Mailbox] = []
        while !container.isAtEnd {
            let text = try container.decode(String.self)
            let shortened = mailboxes.last.flatMap { Mailbox("\(text)@\($0.host)") }
            guard let mailbox = Mailbox(text) ?? shortened else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a mailbox: \(text)")
            }
            mailboxes.append(mailbox)
        }
        self.mailboxes = mailboxes
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.unkeyedContainer()
        var host: String?
        for mailbox in self.mailboxes {
            // Compared as written: what is read again is what there was.
            let own = "\(mailbox.host)"
            try container.encode(own == host ? mailbox.localPart.description : mailbox.description)
            host = own
        }
    }
}
