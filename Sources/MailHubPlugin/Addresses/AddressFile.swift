/// A file of addresses: one entry a line, as `ann@example.org`, or as `info@example.org: ann@example.org, bob@remote.example`.
///
/// Empty lines are skipped, and what follows a `#` at the start of a line or behind white space.
enum AddressFile {
    /// What is wrong with a line.
    struct Problem: Hashable, Sendable {
        let line: Int
        let message: String
        let fix: String
    }

    /// The entries of a file, and what is wrong with its lines.
    static func parse(
        _ text: String,
        allowingDomainTargets: Bool
    ) -> (entries: [AddressEntry], problems: [Problem]) {
        var entries: [AddressEntry] = []
        var problems: [Problem] = []
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let content = self.withoutComment(line)
            guard !content.isEmpty else { continue }
            let parts = self.split(content, at: ":", most: 1)
            func told(_ pattern: AddressPattern?, _ text: Substring) -> AddressPattern? {
                guard pattern == nil else { return pattern }
                let message = "\"\(text)\" is not an address"
                problems.append(Problem(line: index + 1, message: message, fix: "write \(AddressPattern.form)"))
                return nil
            }
            guard let address = told(AddressPattern(parts[0]), parts[0]) else { continue }
            let targets = parts.dropFirst().flatMap { self.split($0, at: ",", most: .max) }
                .compactMap { told(AddressPattern($0, allowingDomain: allowingDomainTargets), $0) }
            if parts.count == 1 || !targets.isEmpty {
                entries.append(AddressEntry(place: .line(index + 1), pattern: address, targets: targets))
            }
        }
        return (entries, problems)
    }

    private static func withoutComment(_ line: Substring) -> Substring {
        var isStart = true
        for (index, isQuoted) in self.quoting(of: line) {
            if line[index] == "#", isStart, !isQuoted { return self.trimmed(line[..<index]) }
            isStart = line[index].isWhitespace
        }
        return self.trimmed(line)
    }

    /// Splits at a separator outside quoted local parts.
    private static func split(_ text: Substring, at separator: Character, most: Int) -> [Substring] {
        var parts: [Substring] = []
        var start = text.startIndex
        for (index, isQuoted) in self.quoting(of: text)
        where text[index] == separator && !isQuoted && parts.count < most {
            parts.append(self.trimmed(text[start..<index]))
            start = text.index(after: index)
        }
        return parts + [self.trimmed(text[start...])]
    }

    /// Each place of a text, and whether it stands in a quoted local part (RFC 5321 section 4.1.2).
    private static func quoting(of text: Substring) -> [(index: Substring.Index, isQuoted: Bool)] {
        var isQuoted = false
        var isEscaped = false
        return text.indices.map { index in
            let character = text[index]
            if character == "\"", !isEscaped { isQuoted.toggle() }
            isEscaped = isQuoted && character == "\\" && !isEscaped
            return (index, isQuoted)
        }
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text.drop(while: \.isWhitespace)
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
