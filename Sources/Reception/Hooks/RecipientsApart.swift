import MailHubPlugin
import SMTP
import Synchronization

/// What becomes of recipients that do not take a message which other recipients of the same transaction take: SMTP has one
/// reply for all of them (RFC 5321 section 4.1.1.4).
package enum DifferingVerdicts: String, Hashable, Sendable, CaseIterable {
    /// Nobody gets it now: 451. When the client comes again, recipients of different opinion are told apart by 452 at RCPT, so
    /// that each gets the reply that is its own.
    case refuse
    /// The message is taken; those who do not take it have it held in the queue for the postmaster.
    case hold
    /// Where the client may relay, the message is taken, and the sender gets a notification about the others; from strangers,
    /// whose sender addresses mean nothing, as `refuse`.
    case bounce
}

/// Remembers which recipients of a sender have differed about a message, for a day.
final class RecipientsApart: Sendable {
    /// Whose transactions are meant.
    private struct Key: Hashable {
        let network: IPNetwork
        let reversePath: ReversePath
    }
    private struct Entry {
        let time: Timestamp
        /// The party of each recipient: those of one party have agreed.
        let parties: [Mailbox: Int]
    }
    private struct State {
        var entries: [Key: Entry] = [:]
        /// Keys in the order of their entries, for forgetting.
        var order: [Key] = []
        /// Recipients in all entries.
        var recipients = 0
    }

    /// Entries at most; the oldest is forgotten, which costs its sender one more round.
    private static let capacity = 5_000
    /// Recipients in all entries at most, likewise.
    private static let mostRecipients = 100_000
    private static let lifetime: Duration = .seconds(86_400)

    /// Entries now, and recipients in them.
    var size: (entries: Int, recipients: Int) { self.state.withLock { ($0.entries.count, $0.recipients) } }

    private let clock: any WallClock
    private let state = Mutex(State())

    init(clock: any WallClock) { self.clock = clock }

    private func key(_ client: IPAddress, _ path: ReversePath) -> Key {
        let length = if case .ipv4 = client { 24 } else { 64 }
        return Key(network: IPNetwork(containing: client, prefixLength: length), reversePath: path)
    }

    /// Notes that the parties do not agree.
    func note(_ parties: [Mailbox: Int], client: IPAddress, reversePath: ReversePath) {
        let key = self.key(client, reversePath)
        let entry = Entry(time: self.clock.now, parties: parties)
        self.state.withLock { state in
            let former = state.entries.updateValue(entry, forKey: key)
            if former != nil { state.order.removeAll { $0 == key } }
            state.order.append(key)
            state.recipients += parties.count - (former?.parties.count ?? 0)
            while let oldest = state.order.first,
                state.order.count > Self.capacity || state.recipients > Self.mostRecipients
            {
                state.order.removeFirst()
                state.recipients -= state.entries.removeValue(forKey: oldest)?.parties.count ?? 0
            }
        }
    }

    /// Whether a recipient has differed from one of those who are in the transaction already.
    func isApart(_ mailbox: Mailbox, from others: [Mailbox], client: IPAddress, reversePath: ReversePath) -> Bool {
        let key = self.key(client, reversePath)
        guard let entry = self.state.withLock({ $0.entries[key] }), let party = entry.parties[mailbox] else {
            return false
        }
        guard self.clock.now - entry.time < Self.lifetime else { return false }
        return others.contains { other in entry.parties[other].map { $0 != party } ?? false }
    }
}

extension SMTPSession {
    /// Whether the client is to send the message to this recipient in another transaction.
    func mustTravelApart(_ mailbox: Mailbox) -> Bool {
        guard !self.settings.hooks.recipientMessage.isEmpty, let envelope = self.sequence.envelope,
            let transaction = self.transaction, transaction.acceptedRecipients > 0
        else { return false }
        return self.services.apart.isApart(
            mailbox,
            from: transaction.asked,
            client: self.clientAddress,
            reversePath: envelope.reversePath
        )
    }
}

extension Reply {
    /// RFC 5321 section 4.5.3.1.10: the client sends the rest of its recipients in a transaction of their own.
    static let recipientApart = Reply(452, .init(5, 3), "Send this recipient in another transaction")
    /// Some recipients take the message and others do not; the next attempt is told apart at RCPT.
    static let verdictsDiffer = Reply(451, .init(7, 1), "Recipients differ about this message, try again")
}
