import InternetMessage
import MailQueue
import NIOCore
import SMTP

/// What one transaction says to a server that offers what it offers.
struct TransactionPlan {
    /// The longest line that a server must take, without its line end (RFC 5321 section 4.5.3.1.6).
    private static let longestLine = 998
    /// Larger contents travel as a chunk where the server takes chunks: no octet of them has to be looked at.
    private static let largestData = QueueLimits.inlineContent

    let job: DeliveryJob
    let recipients: [QueuedRecipient]
    /// How the content travels.
    let contentCommand: ClientTransaction.ContentCommand
    /// Why the server cannot take the message, ever (RFC 5321 section 2.2.3): 5yz.
    let refusal: Reply?
    private let parameters: String
    private let offersNotifications: Bool

    /// - Parameter isAuthenticated: whether the server knows the hub by AUTH.
    init(
        job: DeliveryJob,
        recipients: [QueuedRecipient],
        traits: ContentTraits,
        capabilities: ServerCapabilities,
        dialect: SMTPTransport.Dialect,
        isAuthenticated: Bool = false
    ) {
        self.job = job
        self.recipients = recipients
        self.offersNotifications = capabilities.notifications
        let isTooLong = traits.longestLine > Self.longestLine
        self.contentCommand = capabilities.chunking && (isTooLong || traits.size > Self.largestData) ? .chunk : .data
        let path = recipients.first?.recipient.reversePath ?? job.envelope.reversePath
        let addressesNeedUTF8 =
            path.mailbox?.isASCII == false || recipients.contains { !$0.recipient.mailbox.isASCII }
        let needsUTF8 = addressesNeedUTF8 || (job.envelope.isInternationalized && traits.has8BitHeader)
        let needs8Bit = traits.has8BitBody || traits.has8BitHeader
        if needsUTF8, !capabilities.internationalized {
            self.refusal = Reply(550, .init(6, 7), "The next hop does not take internationalized mail (SMTPUTF8)")
        } else if needs8Bit, !capabilities.eightBitMIME {
            self.refusal = Reply(554, .init(6, 3), "The next hop does not take 8-bit content (8BITMIME)")
        } else if let limit = capabilities.maximumSize, traits.size > limit {
            self.refusal = Reply(552, .init(3, 4), "The message is larger than the next hop takes (\(limit) octets)")
        } else if isTooLong, self.contentCommand == .data, dialect == .smtp {
            self.refusal = Reply(554, .init(6, 0), "A line is longer than SMTP allows (\(traits.longestLine) octets)")
        } else {
            self.refusal = nil
        }
        self.parameters = Self.parameters(
            job.envelope,
            size: traits.size,
            isEightBit: needs8Bit || job.envelope.body == .eightBitMIME,
            isInternationalized: needsUTF8,
            isAuthenticated: isAuthenticated,
            capabilities
        )
    }

    /// The parameters of MAIL: only of extensions that are offered (RFC 5321 section 4.1.1.3).
    private static func parameters(
        _ envelope: Envelope,
        size: Int,
        isEightBit: Bool,
        isInternationalized: Bool,
        isAuthenticated: Bool,
        _ capabilities: ServerCapabilities
    ) -> String {
        var text = ""
        if capabilities.size { text += " SIZE=\(size)" }
        if capabilities.eightBitMIME, isEightBit { text += " BODY=8BITMIME" }
        if isInternationalized { text += " SMTPUTF8" }
        // Nobody's identity is passed on, and a server that knows us by AUTH has to be told (RFC 4954 section 5).
        if isAuthenticated { text += " AUTH=<>" }
        if capabilities.requireTLS, envelope.tlsRequirement == .required { text += " REQUIRETLS" }
        if capabilities.notifications {
            if let content = envelope.returnContent { text += " RET=\(content.rawValue)" }
            if let identifier = envelope.envelopeIdentifier { text += " ENVID=\(identifier)" }
        }
        return text
    }

    /// Appends a command line; no space behind the colon (RFC 5321 section 3.3).
    func write(_ line: ClientTransaction.Line, into buffer: inout ByteBuffer) {
        switch line {
        case .mail:
            let path = self.recipients.first?.recipient.reversePath ?? self.job.envelope.reversePath
            buffer.writeString("MAIL FROM:<\(path)>\(self.parameters)\r\n")
        case .recipient(let index):
            guard self.recipients.indices.contains(index) else { return }
            let recipient = self.recipients[index].recipient
            buffer.writeString("RCPT TO:<\(recipient.mailbox)>")
            if self.offersNotifications {
                if let notify = recipient.notify { buffer.writeString(" NOTIFY=\(notify.parameterValue)") }
                if let original = recipient.originalRecipient { buffer.writeString(" ORCPT=\(original)") }
            }
            buffer.writeStaticString("\r\n")
        case .data:
            buffer.writeStaticString("DATA\r\n")
        }
    }
}
