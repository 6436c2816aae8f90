import InternetMessage
import MailHubPlugin
import MailQueue
import NIOCore
import SMTP

/// What a session keeps about its open transaction beside the envelope.
struct MailTransaction {
    /// The id that the message will have.
    let id: QueueID
    /// The same as text.
    let identifier: String
    let facts = Facts()
    /// The most octets of content that listener, plugins and recipients allow.
    var sizeLimit: Int
    /// The mailboxes named by RCPT commands answered with 250.
    var asked: [Mailbox] = []
    /// For each RCPT command answered with 250, the places in the envelope of what it became: dropped, or one, or many.
    var commands: [Range<Int>] = []
    /// RCPT commands answered with 250.
    var acceptedRecipients: Int { self.commands.count }
    /// What resolvers have said about recipients whose RCPT lies in the input.
    var resolvedAhead: [Mailbox: RecipientFinding] = [:]
    /// How many of the RCPT commands to come have been looked at for that: each of them once, however many there are.
    var lookedAhead = 0
    /// Why a plugin wants the message held.
    var holdReason: String?
    /// Whether a plugin wants the message taken and thrown away.
    var isDiscarded = false

    // Content
    /// When the content began.
    var contentBegan: NIODeadline?
    var spool: ContentSpool?
    /// Content that is not in the spool yet.
    var buffer = ByteBuffer()
    /// Octets of the Received field that was put in front of the content.
    var traceLength = 0
    /// Octets received, without dot-stuffing.
    var size = 0
    /// Content beyond the limit is dropped; so is content after a storage failure.
    var failure: Reply?
    var lineEnds = BareLineEndScanner()
    var hasBareLineEnd = false
    /// Received fields in the content, ours included; `nil` until the header section was at hand.
    var receivedFields: Int?
    /// Whether the header section says `TLS-Required: No`.
    var saysTLSOptional = false

    /// What plugins see of it.
    func context(_ envelope: Envelope) -> TransactionContext {
        TransactionContext(envelope: envelope, queueIdentifier: self.identifier, facts: self.facts)
    }

    init(id: QueueID, sizeLimit: Int) {
        self.id = id
        self.identifier = id.description
        self.sizeLimit = sizeLimit
    }
}
