/// A pattern of a value: `*` stands for any text, `?` for one character; upper and lower ASCII letters are the same.
///
/// A match takes at most as many steps as text and pattern have characters, multiplied; longer texts match only `*`.
struct ValuePattern: Hashable, Sendable {
    /// The longest text that is looked at, in characters (Unicode scalars).
    static let longestText = 4096

    /// What stands between the stars.
    private let pieces: [[Unicode.Scalar]]

    /// - Returns: `nil` for an empty pattern, or one longer than 200 characters.
    init?(_ text: String) {
        guard !text.isEmpty, text.unicodeScalars.count <= 200 else { return nil }
        self.pieces = text.unicodeScalars.split(separator: "*", omittingEmptySubsequences: false)
            .map { $0.map(Self.folded) }
    }

    /// Whether the pattern has a star or a question mark.
    var isGlob: Bool { self.pieces.count > 1 || self.pieces.joined().contains("?") }

    /// How many stars there are.
    var starCount: Int { self.pieces.count - 1 }

    /// What the stars stand for, in order; `nil` where the text does not match.
    func match(_ text: String) -> [String]? {
        if self.pieces.count == 2, self.pieces.allSatisfy(\.isEmpty) { return [text] }
        let original = Array(text.unicodeScalars.prefix(Self.longestText + 1))
        guard original.count <= Self.longestText else { return nil }
        let scalars = original.map(Self.folded)
        guard let first = self.pieces.first, let last = self.pieces.last, self.matches(first, scalars, at: 0) else {
            return nil
        }
        guard self.pieces.count > 1 else { return scalars.count == first.count ? [] : nil }
        let end = scalars.count - last.count
        var position = first.count
        guard position <= end, self.matches(last, scalars, at: end) else { return nil }
        var stars: [Range<Int>] = []
        for piece in self.pieces.dropFirst().dropLast() {
            guard let found = self.find(piece, in: scalars, from: position, to: end) else { return nil }
            stars.append(position..<found)
            position = found + piece.count
        }
        stars.append(position..<end)
        return stars.map { star in
            var text = String.UnicodeScalarView()
            text.append(contentsOf: original[star])
            return String(text)
        }
    }

    /// The first place where a piece fits before `end`.
    private func find(_ piece: [Unicode.Scalar], in text: [Unicode.Scalar], from start: Int, to end: Int) -> Int? {
        guard start + piece.count <= end else { return nil }
        return (start...(end - piece.count)).first { self.matches(piece, text, at: $0) }
    }

    private func matches(_ piece: [Unicode.Scalar], _ text: [Unicode.Scalar], at start: Int) -> Bool {
        guard start + piece.count <= text.count else { return false }
        return piece.indices.allSatisfy { piece[$0] == "?" || piece[$0] == text[start + $0] }
    }

    private static func folded(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        ("A"..."Z").contains(scalar) ? Unicode.Scalar(UInt8(scalar.value) | 0x20) : scalar
    }
}
