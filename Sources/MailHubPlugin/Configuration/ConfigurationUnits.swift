/// How durations and sizes are written.
package enum ConfigurationUnits {
    static let durationForm = "a duration such as \"30s\", \"5m\", \"1h30m\" or \"5d\""
    static let sizeForm = "a size such as \"25MiB\" or a number of octets"

    /// Numbers with units: `ms`, `s`, `m`, `h`, `d`, `w`, larger units first as one likes.
    package static func duration(_ text: String) -> Duration? {
        var rest = text[...]
        var total: Int64 = 0
        while !rest.isEmpty {
            let digits = rest.prefix { ("0"..."9").contains($0) }
            guard (1...12).contains(digits.utf8.count), let number = Int64(digits) else { return nil }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { $0.isLetter }
            rest = rest.dropFirst(unit.count)
            let milliseconds: Int64
            switch unit {
            case "ms": milliseconds = 1
            case "s": milliseconds = 1000
            case "m": milliseconds = 60_000
            case "h": milliseconds = 3_600_000
            case "d": milliseconds = 86_400_000
            case "w": milliseconds = 604_800_000
            default: return nil
            }
            let (product, overflow) = number.multipliedReportingOverflow(by: milliseconds)
            let (sum, overflow2) = total.addingReportingOverflow(product)
            guard !overflow, !overflow2 else { return nil }
            total = sum
        }
        return text.isEmpty ? nil : .milliseconds(total)
    }

    /// The longest duration that is taken: far beyond all use, and far below where arithmetic with instants ends.
    package static let longestDuration: Duration = .seconds(3650 * 86400)
    /// The largest size that is taken: 1 PiB.
    package static let largestSize = 1 << 50

    /// The way that a duration is written, in the largest unit that fits.
    package static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        let milliseconds = seconds * 1000 + attoseconds / 1_000_000_000_000_000
        let units: [(Int64, String)] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")]
        for (factor, unit) in units where milliseconds > 0 && milliseconds % factor == 0 {
            return "\(milliseconds / factor)\(unit)"
        }
        return milliseconds == 0 ? "0s" : "\(milliseconds)ms"
    }

    /// The way that a size is written, in the largest unit that fits.
    package static func text(octets: Int) -> String {
        for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")]
        where octets > 0 && octets & (1 << shift - 1) == 0 {
            return "\(octets >> shift)\(unit)"
        }
        return "\(octets)"
    }

    /// A number with a unit: `B`, `KB`, `MB`, `GB` (thousands), `KiB`, `MiB`, `GiB`, `TiB` (1024s); without one, octets.
    package static func size(_ text: String) -> Int? {
        let digits = text.prefix { ("0"..."9").contains($0) }
        guard (1...18).contains(digits.utf8.count), let number = Int(digits) else { return nil }
        let factor: Int
        switch text.dropFirst(digits.count) {
        case "", "B": factor = 1
        case "KB", "kB": factor = 1000
        case "MB": factor = 1_000_000
        case "GB": factor = 1_000_000_000
        case "KiB": factor = 1 << 10
        case "MiB": factor = 1 << 20
        case "GiB": factor = 1 << 30
        case "TiB": factor = 1 << 40
        default: return nil
        }
        let (product, overflow) = number.multipliedReportingOverflow(by: factor)
        return overflow ? nil : product
    }
}

/// Finds what somebody probably meant.
package enum Spelling {
    /// "did you mean ...", where a name is near enough.
    package static func suggestion(for word: String, among names: some Sequence<String>) -> String? {
        let near = names.map { ($0, self.distance(word.lowercased(), $0.lowercased())) }
            .filter { $0.1 <= (word.count < 4 ? 1 : max(2, word.count / 3)) }
            .min { ($0.1, $0.0) < ($1.1, $1.0) }
        if near == nil, word.count >= 3,
            let longer = names.filter({ $0.lowercased().hasPrefix(word.lowercased()) }).min()
        {
            return "did you mean \"\(longer)\"?"
        }
        return near.map { "did you mean \"\($0.0)\"?" }
    }

    /// The number of letters to insert, remove or replace.
    static func distance(_ left: String, _ right: String) -> Int {
        let right = Array(right.prefix(100))
        var row = Array(0...right.count)
        for (line, letter) in left.prefix(100).enumerated() {
            var diagonal = row[0]
            row[0] = line + 1
            for column in right.indices {
                let above = row[column + 1]
                row[column + 1] = min(above + 1, row[column] + 1, diagonal + (letter == right[column] ? 0 : 1))
                diagonal = above
            }
        }
        return row[right.count]
    }
}
