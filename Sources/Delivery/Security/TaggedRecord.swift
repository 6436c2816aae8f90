/// The TXT record of a policy: `v=VERSION; TAG=VALUE; ...` (RFC 8460 section 3, RFC 8461 section 3.1).
package struct TaggedRecord {
    private let fields: [Substring]

    /// Picks the record of a version; `nil` where there is not exactly one.
    package init?(_ texts: [String], version: String) {
        let start = "v=\(version)"
        let candidates = texts.filter { text in
            text.hasPrefix(start) && text.dropFirst(start.count).first.map { ";\t ".contains($0) } ?? false
        }
        guard candidates.count == 1, let text = candidates.first else { return nil }
        self.fields = text.split(separator: ";").dropFirst().map(\.trimmingBlanks)
    }

    /// The value of the first field with a tag.
    package subscript(tag: String) -> Substring? {
        self.fields.first { $0.hasPrefix("\(tag)=") }?.dropFirst(tag.count + 1)
    }
}

extension Substring {
    /// Without blanks, tabs and carriage returns at its ends.
    package var trimmingBlanks: Substring {
        var text = self.drop { $0 == " " || $0 == "\t" || $0 == "\r" }
        while let last = text.last, last == " " || last == "\t" || last == "\r" { text.removeLast() }
        return text
    }
}
