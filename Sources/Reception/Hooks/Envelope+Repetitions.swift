import SMTP

extension Envelope {
    /// The envelope with each recipient once: named twice, or reached by two aliases, it still gets one copy
    /// for each route and each owner of a list.
    ///
    /// Local parts are compared as they are: only the host that they belong to may say that two of them are the same
    /// (RFC 5321 section 2.4).
    var withoutRepetitions: Envelope {
        guard self.recipients.count > 1 else { return self }
        struct Key: Hashable {
            let mailbox: Mailbox
            let route: String?
            let reversePath: ReversePath?
        }
        var seen: Set<Key> = []
        var result = self
        result.recipients = self.recipients.filter { recipient in
            seen.insert(
                Key(mailbox: recipient.mailbox, route: recipient.route, reversePath: recipient.reversePath)
            ).inserted
        }
        return result
    }
}
