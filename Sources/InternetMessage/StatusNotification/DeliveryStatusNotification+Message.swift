package import NIOCore
import SMTP

/// The message around the three parts (RFC 6522 section 3).
extension DeliveryStatusNotification {
    /// The whole message in wire form, without dot-stuffing.
    ///
    /// Its lines are ASCII and at most 998 octets, but for a returned message with octets over 127 (then it needs 8BITMIME)
    /// and for a notification that `isInternationalized`.
    package func write() -> ByteBuffer {
        let returned = self.returnedContent
        let explanation = self.explanation(returning: returned)
        var status = ByteBuffer()
        self.writeStatus(into: &status)
        let boundary = self.boundary(notIn: [ByteBuffer(string: explanation), status, returned.body])

        var message = ByteBuffer()
        self.writeHeader(boundary: boundary, returned: returned, into: &message)
        message.writeStaticString("This is a report in MIME format: its first part is for people.\r\n")
        self.writeExplanation(explanation, boundary: boundary, into: &message)
        let statusEncoding = self.isInternationalized ? "8bit" : "7bit"
        Self.beginPart(boundary, "Delivery report", self.statusType, statusEncoding, into: &message)
        message.writeImmutableBuffer(status)
        let description = returned.isMessage ? "Your message" : "Header of your message"
        Self.beginPart(boundary, description, returned.mediaType, returned.encoding, into: &message)
        message.writeImmutableBuffer(returned.body)
        message.writeString("\r\n--\(boundary)--\r\n")
        return message
    }

    private func writeHeader(boundary: String, returned: ReturnedContent, into message: inout ByteBuffer) {
        let field = { (name: String, value: String, buffer: inout ByteBuffer) in
            FieldWriter.write(name: name, value: value, allowingUTF8: self.isInternationalized, into: &buffer)
        }
        field("From", "Mail Delivery System <MAILER-DAEMON@\(self.host.canonical)>", &message)
        field("To", "<\(self.returnAddress)>", &message)
        if self.postmaster.isASCII || self.isInternationalized { field("Reply-To", "<\(self.postmaster)>", &message) }
        field("Subject", self.subject, &message)
        field("Date", DateTime(self.date).description, &message)
        field("Message-ID", "<\(self.identifier)@\(self.host.canonical)>", &message)
        if let original = self.originalMessageID { field("References", original, &message) }
        field("Auto-Submitted", "auto-replied", &message)  // RFC 3834 section 5
        field("MIME-Version", "1.0", &message)
        field("Content-Type", "multipart/report; report-type=delivery-status; boundary=\"\(boundary)\"", &message)
        let is8Bit = self.isInternationalized || returned.encoding == "8bit"
        field("Content-Transfer-Encoding", is8Bit ? "8bit" : "7bit", &message)
        message.writeStaticString("\r\n")
    }

    private func writeExplanation(_ text: String, boundary: String, into message: inout ByteBuffer) {
        if text.utf8.allSatisfy({ $0 < 0x80 }) {
            Self.beginPart(boundary, "Notification", "text/plain; charset=us-ascii", "7bit", into: &message)
            message.writeString(text)
        } else {
            Self.beginPart(boundary, "Notification", "text/plain; charset=utf-8", "quoted-printable", into: &message)
            QuotedPrintable.write(text.utf8, into: &message)
        }
    }

    private static func beginPart(
        _ boundary: String,
        _ description: String,
        _ mediaType: String,
        _ encoding: String,
        into message: inout ByteBuffer
    ) {
        message.writeString("\r\n--\(boundary)\r\n")
        message.writeString("Content-Type: \(mediaType)\r\n")
        message.writeString("Content-Description: \(description)\r\n")
        message.writeString("Content-Transfer-Encoding: \(encoding)\r\n\r\n")
    }

    /// The Message-ID of the original, so that mail programs show the report beside it; `nil` where it is odd.
    private var originalMessageID: String? {
        guard let value = HeaderSection(parsing: self.original.content).first(named: "Message-ID")?.value,
            value.utf8.count <= 250, value.hasPrefix("<"), value.hasSuffix(">"), value.contains("@"),
            value.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
            value.utf8.count(where: { $0 == 0x3C || $0 == 0x3E }) == 2
        else { return nil }
        return value
    }

    /// A boundary that none of the parts contains (RFC 2046 section 5.1.1).
    private func boundary(notIn parts: [ByteBuffer]) -> String {
        var boundary = "=_\(self.identifier)"
        var attempt = 0
        while parts.contains(where: { Self.contains(boundary, $0) }) {
            attempt += 1
            boundary = "=_\(self.identifier)_\(attempt)_\(UInt64.random(in: 0...UInt64.max))"
        }
        return boundary
    }

    /// Whether a line of the content begins with the boundary and its two hyphens.
    private static func contains(_ boundary: String, _ content: ByteBuffer) -> Bool {
        let delimiter = Array("--\(boundary)".utf8)
        let view = content.readableBytesView
        var rest = view[...]
        while true {
            if rest.starts(with: delimiter) { return true }
            guard let newline = rest.firstIndex(of: 0x0A) else { return false }
            rest = rest[(newline + 1)...]
        }
    }
}
