import NIOCore
import SMTP

/// What of the original a report returns: its third part (RFC 6522 section 3, RFC 6533 section 4).
struct ReturnedContent {
    /// The largest message that is returned whole.
    static let longestMessage = 128 * 1024

    /// The media type.
    let mediaType: String
    /// The Content-Transfer-Encoding: `7bit`, `8bit` or `quoted-printable`.
    let encoding: String
    /// The octets as they stand in the report.
    let body: ByteBuffer

    /// Whether it is the whole message.
    var isMessage: Bool { self.mediaType == "message/rfc822" || self.mediaType == "message/global" }

    /// The whole message.
    ///
    /// - Returns: `nil` where it cannot stand in a report as it is: control characters that mail must not have, or lines
    ///   that are too long.
    static func message(_ message: ByteBuffer, allowingUTF8: Bool) -> ReturnedContent? {
        let traits = ContentTraits(of: message)
        guard traits.longestLine <= FieldWriter.longestLine, self.hasCleanLines(message) else { return nil }
        guard traits.has8BitHeader else {
            let encoding = traits.has8BitBody ? "8bit" : "7bit"
            return ReturnedContent(mediaType: "message/rfc822", encoding: encoding, body: message)
        }
        // message/rfc822 may not be encoded, message/global may (RFC 6532 section 3.7).
        return allowingUTF8
            ? ReturnedContent(mediaType: "message/global", encoding: "8bit", body: message)
            : .encoded(message, as: "message/global")
    }

    /// The header section of a message, or of what there is of it.
    static func header(of message: ByteBuffer, allowingUTF8: Bool) -> ReturnedContent {
        var header = ByteBuffer()
        for field in HeaderSection(parsing: message).fields { header.writeImmutableBuffer(field.raw) }
        let traits = ContentTraits(of: header)
        if traits.longestLine > FieldWriter.longestLine || !self.hasCleanLines(header) {
            return .encoded(header, as: "text/rfc822-headers")
        }
        guard traits.has8BitHeader else {
            return ReturnedContent(mediaType: "text/rfc822-headers", encoding: "7bit", body: header)
        }
        return allowingUTF8
            ? ReturnedContent(mediaType: "message/global-headers", encoding: "8bit", body: header)
            : .encoded(header, as: "text/rfc822-headers; charset=utf-8")
    }

    private static func encoded(_ content: ByteBuffer, as mediaType: String) -> ReturnedContent {
        var body = ByteBuffer()
        QuotedPrintable.write(content.readableBytesView, into: &body)
        return ReturnedContent(mediaType: mediaType, encoding: "quoted-printable", body: body)
    }

    /// Whether every CR and LF is part of a CRLF, and there is no NUL (RFC 5321 section 2.3.8, RFC 2045 section 2.7).
    private static func hasCleanLines(_ content: ByteBuffer) -> Bool {
        var last: UInt8 = 0
        for byte in content.readableBytesView {
            if byte == 0 || (byte == 0x0A) != (last == 0x0D) { return false }
            last = byte
        }
        return last != 0x0D
    }
}

extension DeliveryStatusNotification {
    /// The third part: for failures the whole message, where RET asks for it and it is not too large, else the header
    /// section (RFC 3461 section 6.2).
    var returnedContent: ReturnedContent {
        let original = self.original
        if self.isFailure, original.returnContent == .full, original.isComplete,
            original.content.readableBytes <= ReturnedContent.longestMessage,
            let message = ReturnedContent.message(original.content, allowingUTF8: self.isInternationalized)
        {
            return message
        }
        return .header(of: original.content, allowingUTF8: self.isInternationalized)
    }
}
