import NIOCore
import SMTP

/// The part for programs: message/delivery-status (RFC 3464 section 2), or message/global-delivery-status (RFC 6533
/// section 4.1), in the order of the grammar.
extension DeliveryStatusNotification {
    /// Its media type.
    var statusType: String {
        self.isInternationalized ? "message/global-delivery-status" : "message/delivery-status"
    }

    /// Appends the per-message fields and one group of fields for each recipient.
    func writeStatus(into buffer: inout ByteBuffer) {
        if let identifier = self.original.envelopeIdentifier {
            self.field("Original-Envelope-Id", Self.ascii(Xtext.decode(identifier) ?? identifier), into: &buffer)
        }
        self.field("Reporting-MTA", "dns; \(self.host.canonical)", into: &buffer)
        self.field("Arrival-Date", DateTime(self.original.arrival).description, into: &buffer)
        for recipient in self.recipients {
            buffer.writeStaticString("\r\n")
            self.write(recipient, into: &buffer)
        }
    }

    private func write(_ recipient: Recipient, into buffer: inout ByteBuffer) {
        if let original = recipient.originalRecipient {
            let notation = AddressNotation(originalRecipient: original, allowingUTF8: self.isInternationalized)
            self.field("Original-Recipient", notation.text, into: &buffer)
        }
        let notation = AddressNotation(recipient.mailbox, allowingUTF8: self.isInternationalized)
        self.field("Final-Recipient", notation.text, into: &buffer)
        self.field("Action", recipient.event.action, into: &buffer)
        self.field("Status", recipient.status, into: &buffer)
        if let host = recipient.remoteHost {
            self.field("Remote-MTA", "dns; \(Self.ascii(host))", into: &buffer)
        }
        self.field("Diagnostic-Code", recipient.diagnosticCode, into: &buffer)
        if let lastAttempt = recipient.lastAttempt {
            self.field("Last-Attempt-Date", DateTime(lastAttempt).description, into: &buffer)
        }
        if recipient.event == .delayed, let limit = recipient.willRetryUntil {
            self.field("Will-Retry-Until", DateTime(limit).description, into: &buffer)
        }
    }

    /// The value is made of safe characters by the writer; it is ASCII unless UTF-8 is allowed in this part.
    private func field(_ name: String, _ value: String, into buffer: inout ByteBuffer) {
        FieldWriter.write(name: name, value: value, allowingUTF8: true, into: &buffer)
    }

    /// A text from elsewhere for a field that must be ASCII; long ones are cut.
    static func ascii(_ text: String, longest: Int = 2000) -> String {
        String(String.UnicodeScalarView(text.unicodeScalars.prefix(longest).map { $0.isASCII ? $0 : "?" }))
    }
}

extension DeliveryStatusNotification.Event {
    /// The value of the Action field (RFC 3464 section 2.3.3).
    var action: String {
        switch self {
        case .failed, .expired: "failed"
        case .delayed: "delayed"
        case .delivered: "delivered"
        case .relayed: "relayed"
        case .expanded: "expanded"
        }
    }

    /// The class digit of the Status field (RFC 3463 section 2).
    fileprivate var statusClass: Int {
        switch self {
        case .failed: 5
        case .expired, .delayed: 4
        case .delivered, .relayed, .expanded: 2
        }
    }
}

extension DeliveryStatusNotification.Recipient {
    /// Subject and detail of the status: what the reply says, unless its class contradicts the event.
    var statusCode: EnhancedStatusCode {
        if self.event == .expired { return EnhancedStatusCode(4, 7) }
        guard self.reply.code.value / 100 == self.event.statusClass, let code = self.reply.enhanced else {
            return EnhancedStatusCode(0, 0)
        }
        return code
    }

    /// The value of the Status field (RFC 3464 section 2.3.4).
    var status: String { "\(self.event.statusClass).\(self.statusCode.subject).\(self.statusCode.detail)" }

    /// The value of the Diagnostic-Code field (RFC 3464 section 2.3.6): a peer's reply as such, our own under a type of ours.
    var diagnosticCode: String {
        let text = DeliveryStatusNotification.ascii(self.reply.description)
        return self.remoteHost == nil ? "X-MailHub; \(text)" : "smtp; \(text)"
    }
}
