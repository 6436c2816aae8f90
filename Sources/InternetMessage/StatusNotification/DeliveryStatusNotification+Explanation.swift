import SMTP

/// The part for people (RFC 6522 section 3): what happened, to which address, what the other side said, and what to do.
extension DeliveryStatusNotification {
    /// The Subject of the notification: the gravest event counts.
    var subject: String {
        let events = Set(self.recipients.map(\.event))
        if self.isFailure { return "Your message could not be delivered" }
        if events.contains(.delayed) { return "Your message is delayed, we keep trying" }
        return events == [.delivered] ? "Your message was delivered" : "Your message was sent on"
    }

    /// The whole text, its lines ended by CRLF.
    func explanation(returning returned: ReturnedContent) -> String {
        var text = PlainText()
        text.paragraph("This is the mail system at \(self.host.canonical).")
        text.paragraph("It is about a message with your address as its sender that arrived here:")
        text.quote(DateTime(self.original.arrival).description, indentation: 4)
        for event in Event.allCases {
            let recipients = self.recipients.filter { $0.event == event }
            guard !recipients.isEmpty else { continue }
            text.paragraph(Self.summary(of: event, isPlural: recipients.count > 1))
            for recipient in recipients { self.explain(recipient, in: &text) }
        }
        if returned.isMessage {
            text.paragraph("Your message is attached, with a report for programs.")
        } else {
            text.paragraph("The header lines of your message are attached, with a report for programs.")
        }
        text.paragraph("If you need help, please write to \(self.postmaster) and include this report.")
        return text.lines.joined(separator: "\r\n") + "\r\n"
    }

    private static func summary(of event: Event, isPlural: Bool) -> String {
        let these = isPlural ? "these addresses" : "this address"
        return switch event {
        case .failed: "It could not be delivered to \(these), and will not be tried again:"
        case .expired: "It could not be delivered to \(these) in time, and will not be tried again:"
        case .delayed: "It could not be delivered to \(these) yet. You need not send it again: we keep trying."
        case .delivered: "It was delivered to \(these):"
        case .relayed:
            "It was handed to the next mail system for \(these). That one will not tell you when it is delivered:"
        case .expanded: "It was sent on to the members behind \(these):"
        }
    }

    private func explain(_ recipient: Recipient, in text: inout PlainText) {
        text.quote("<\(recipient.mailbox)>", indentation: 4)
        guard recipient.event.isFailure || recipient.event == .delayed else { return }
        if let host = recipient.remoteHost {
            text.paragraph("The mail server \(Self.ascii(host)) said:", indentation: 4)
        } else {
            text.paragraph("The reason:", indentation: 4)
        }
        text.quote(Self.ascii(recipient.reply.description), indentation: 8)
        if recipient.event == .delayed {
            guard let limit = recipient.willRetryUntil else { return }
            text.paragraph("We will try until \(DateTime(limit)), and tell you if it cannot be done.", indentation: 4)
        } else {
            // What the server said tells more than that time ran out.
            let code =
                recipient.event == .expired
                ? recipient.reply.enhanced ?? EnhancedStatusCode(4, 7) : recipient.statusCode
            text.paragraph(DeliveryAdvice.text(for: code), indentation: 4)
        }
    }
}

/// Paragraphs of plain text, wrapped for reading.
struct PlainText {
    /// The lines so far, without line ends.
    private(set) var lines: [String] = []
    private static let width = 72
    /// No word is longer; what is, is broken (RFC 5322 section 2.1.1).
    private static let longestWord = 700

    /// Adds a paragraph, set apart by an empty line.
    mutating func paragraph(_ text: String, indentation: Int = 0) {
        if !self.lines.isEmpty { self.lines.append("") }
        let margin = String(repeating: " ", count: indentation)
        var line = margin
        for word in text.split(whereSeparator: { $0.isWhitespace }).flatMap(Self.pieces) {
            if line.utf8.count > indentation, line.utf8.count + 1 + word.utf8.count > Self.width {
                self.lines.append(line)
                line = margin
            }
            line += (line.utf8.count > indentation ? " " : "") + word
        }
        self.lines.append(line)
    }

    /// Adds what somebody else said: its control characters become spaces.
    mutating func quote(_ text: String, indentation: Int) {
        let scalars = text.unicodeScalars.map { $0.value < 0x20 || $0.value == 0x7F ? " " : $0 }
        self.paragraph(String(String.UnicodeScalarView(scalars)), indentation: indentation)
    }

    private static func pieces(_ word: Substring) -> [Substring] {
        var pieces: [Substring] = []
        var rest = word
        while rest.utf8.count > self.longestWord {
            let piece = Substring(rest.unicodeScalars.prefix(self.longestWord / 4))
            pieces.append(piece)
            rest = Substring(rest.unicodeScalars.dropFirst(self.longestWord / 4))
        }
        return pieces + [rest]
    }
}
