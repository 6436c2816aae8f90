import MailHubPlugin

/// The file of recipients: one a line, as `ann@example.org`, or as `info@example.org: ann@example.org, bob@remote.example`.
///
/// Empty lines are skipped, and what follows a `#` at the start of a line or behind white space.
enum RecipientFile {
    /// The entries of a file, and what is wrong with its lines.
    static func parse(_ text: String) -> (entries: [RecipientEntry], problems: [RecipientProblem]) {
        var entries: [RecipientEntry] = []
        var problems: [RecipientProblem] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let place = RecipientProblem.Place.line(index + 1)
            let content = self.withoutComment(line)
            guard !content.isEmpty else { continue }
            let parts = self.split(content, at: ":", most: 1)
            func tellMalformed(_ text: Substring) {
                let message = "\"\(text)\" is not an address"
                problems.append(RecipientProblem(place: place, message: message, fix: "write \(RecipientPattern.form)"))
            }
            guard let pattern = RecipientPattern(parts[0]) else {
                tellMalformed(parts[0])
                continue
            }
            var targets: [Mailbox] = []
            for target in parts.dropFirst().flatMap({ self.split($0, at: ",", most: .max) }) {
                if let mailbox = Mailbox(target) { targets.append(mailbox) } else { tellMalformed(target) }
            }
            if parts.count == 1 || !targets.isEmpty {
                entries.append(RecipientEntry(place: place, pattern: pattern, targets: targets))
            }
        }
        return (entries, problems)
    }

    private static func withoutComment(_ line: Substring) -> Substring {
        var isStart = true
        var isQuoted = false
        for index in line.indices {
            if line[index] == "\"" { isQuoted.toggle() }
            if line[index] == "#", isStart, !isQuoted { return self.trimmed(line[..<index]) }
            isStart = line[index].isWhitespace
        }
        return self.trimmed(line)
    }

    /// Splits at a separator outside quoted local parts.
    private static func split(_ text: Substring, at separator: Character, most: Int) -> [Substring] {
        var parts: [Substring] = []
        var start = text.startIndex
        var isQuoted = false
        for index in text.indices {
            if text[index] == "\"" { isQuoted.toggle() }
            if text[index] == separator, !isQuoted, parts.count < most {
                parts.append(self.trimmed(text[start..<index]))
                start = text.index(after: index)
            }
        }
        return parts + [self.trimmed(text[start...])]
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
