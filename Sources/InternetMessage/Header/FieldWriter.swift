import NIOCore

/// Writes header fields from text: safe, folded (RFC 5322 section 2.2.3), and in ASCII unless UTF-8 is allowed.
enum FieldWriter {
    /// Where lines are folded, if they can be (RFC 5322 section 2.1.1).
    static let preferredLine = 78
    /// What no line may exceed, without its end (RFC 5322 section 2.1.1).
    static let longestLine = 998

    /// Whether a text can name a field; the limit leaves room for the colon on the first line.
    static func isName(_ name: String) -> Bool {
        (1...76).contains(name.utf8.count)
            && name.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != UInt8(ascii: ":") }
    }

    /// Appends one field with its line end; the caller has checked the name.
    static func write(name: String, value: String, allowingUTF8: Bool = false, into buffer: inout ByteBuffer) {
        buffer.writeString(name)
        buffer.writeStaticString(":")
        var column = name.utf8.count + 1
        for word in self.words(of: value, allowingUTF8: allowingUTF8) {
            self.write(word, at: &column, into: &buffer)
        }
        buffer.writeStaticString("\r\n")
    }

    /// A word and the white space before it, which is where a line may be folded.
    private struct Word {
        var gap: String
        var text: String
    }

    private static func write(_ word: Word, at column: inout Int, into buffer: inout ByteBuffer) {
        if column + word.gap.utf8.count + word.text.utf8.count > self.preferredLine, column > 0 {
            buffer.writeStaticString("\r\n")
            column = 0
        }
        buffer.writeString(word.gap)
        column += word.gap.utf8.count
        var rest = Substring(word.text)
        // A word longer than a line can be: broken wherever it must be, between characters.
        while column + rest.utf8.count > self.longestLine {
            var piece = ""
            while let next = rest.unicodeScalars.first, column + piece.utf8.count + 4 <= self.longestLine {
                piece.unicodeScalars.append(next)
                rest.unicodeScalars.removeFirst()
            }
            buffer.writeString(piece)
            buffer.writeStaticString("\r\n ")
            column = 1
        }
        buffer.writeString(String(rest))
        column += rest.utf8.count
    }

    /// The words of a text, each with the white space before it; encoded where they have to be.
    private static func words(of value: String, allowingUTF8: Bool) -> [Word] {
        var words: [Word] = []
        var gap = ""
        for part in self.runs(of: value) {
            if part.isSpace {
                gap = part.text
            } else {
                words.append(Word(gap: words.isEmpty || gap.isEmpty ? " " : gap, text: part.text))
                gap = ""
            }
        }
        return allowingUTF8 ? words : self.encoded(words)
    }

    /// Splits a text into runs of white space and of other characters; control characters count as white space.
    private static func runs(of value: String) -> [(isSpace: Bool, text: String)] {
        var runs: [(isSpace: Bool, text: String)] = []
        for scalar in value.unicodeScalars {
            let isSpace = scalar.value <= 0x20 || scalar.value == 0x7F
            let scalar = isSpace && scalar != "\t" ? " " : scalar
            if let last = runs.indices.last, runs[last].isSpace == isSpace {
                // More white space than fits on a line says nothing more.
                if !isSpace || runs[last].text.utf8.count < 64 { runs[last].text.unicodeScalars.append(scalar) }
            } else {
                runs.append((isSpace, String(scalar)))
            }
        }
        return runs
    }

    /// Joins neighbouring words that are not ASCII, because white space between encoded-words does not count (RFC 2047
    /// section 6.2), and encodes them.
    private static func encoded(_ words: [Word]) -> [Word] {
        var result: [Word] = []
        var pending: Word?
        func flush() {
            guard let word = pending else { return }
            for (index, text) in EncodedWord.words(for: word.text).enumerated() {
                result.append(Word(gap: index == 0 ? word.gap : " ", text: text))
            }
            pending = nil
        }
        for word in words {
            if word.text.utf8.allSatisfy({ $0 < 0x80 }) {
                flush()
                result.append(word)
            } else if let before = pending {
                pending = Word(gap: before.gap, text: before.text + word.gap + word.text)
            } else {
                pending = word
            }
        }
        flush()
        return result
    }
}
