package import SMTP

/// A point in time on the control socket: `2026-07-14T09:26:53.589Z` (ISO 8601, UTC, milliseconds).
package struct ControlInstant: Hashable, Comparable, Sendable {
    /// The time.
    package let timestamp: Timestamp

    package init(_ timestamp: Timestamp) { self.timestamp = timestamp }

    package static func < (left: ControlInstant, right: ControlInstant) -> Bool { left.timestamp < right.timestamp }
}

extension ControlInstant: CustomStringConvertible {
    /// The text form.
    package var description: String {
        let seconds = self.timestamp.seconds
        let days = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
        let second = seconds - days * 86_400
        // Saturated instants lie further out than a calendar goes: the year is cut off, not wrapped.
        let (year, month, day) = Self.date(day: min(max(days, -719_162), 2_932_896))
        let milliseconds = (self.timestamp.milliseconds % 1000 + 1000) % 1000
        return Self.digits(year, 4) + "-" + Self.digits(month, 2) + "-" + Self.digits(day, 2) + "T"
            + Self.digits(second / 3600, 2) + ":" + Self.digits(second / 60 % 60, 2) + ":" + Self.digits(second % 60, 2)
            + "." + Self.digits(milliseconds, 3) + "Z"
    }

    private static func digits(_ value: Int64, _ width: Int) -> String {
        let text = String(value)
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }

    /// The Gregorian date of a day since 1970, counted in eras of 400 years that begin on 1 March.
    private static func date(day: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = day + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * marchMonth + 2) / 5 + 1)
    }
}

extension ControlInstant: LosslessStringConvertible {
    /// Parses the text form, and nothing but it.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        let pattern = Array("dddd-dd-ddTdd:dd:dd.dddZ".utf8)
        guard bytes.count == pattern.count else { return nil }
        var fields: [Int64] = []
        var value: Int64 = 0
        for (byte, expected) in zip(bytes, pattern) {
            if expected == UInt8(ascii: "d") {
                guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
                value = value * 10 + Int64(byte - UInt8(ascii: "0"))
            } else {
                guard byte == expected else { return nil }
                fields.append(value)
                value = 0
            }
        }
        guard fields.count == 7, fields[0] > 0, (1...12).contains(fields[1]), (1...31).contains(fields[2]),
            fields[3] < 24, fields[4] < 60, fields[5] < 60
        else { return nil }
        let days = Self.day(year: fields[0], month: fields[1], day: fields[2])
        let seconds = ((days * 24 + fields[3]) * 60 + fields[4]) * 60 + fields[5]
        self.init(Timestamp(milliseconds: seconds * 1000 + fields[6]))
    }

    /// The inverse of `date(day:)`.
    private static func day(year: Int64, month: Int64, day: Int64) -> Int64 {
        let marchYear = month <= 2 ? year - 1 : year
        let era = marchYear / 400
        let yearOfEra = marchYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}

extension ControlInstant: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let instant = ControlInstant(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(
                in: container,
                debugDescription: "not a time like 2026-07-14T09:26:53.589Z"
            )
        }
        self = instant
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(self.description)
    }
}
