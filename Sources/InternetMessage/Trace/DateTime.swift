import Glibc
public import NIOCore
public import SMTP
import Synchronization

/// A date and time as it stands in a message: `Mon, 2 Jan 2006 15:04:05 +0100` (RFC 5322 section 3.3).
///
/// Always with a four-digit year and a numeric zone (RFC 5321 section 4.4, RFC 3464 section 2.2.5).
public struct DateTime: Hashable, Sendable {
    /// Seconds since 1970, within the years 1970 to 9999.
    private let seconds: Int64
    /// Whole minutes that local time is ahead of UTC: -5999 to 5999.
    private let zone: Int

    /// An instant in the time zone of this host (RFC 5321 section 4.4 prefers local time).
    public init(_ instant: Timestamp) {
        self.init(instant, zone: LocalTimeZone.minutesAheadOfUTC(at: Self.clamped(instant)))
    }

    /// An instant in a zone that is some minutes ahead of UTC; both are clamped to what can be written.
    public init(_ instant: Timestamp, zone minutes: Int) {
        self.seconds = Self.clamped(instant)
        self.zone = min(max(minutes, -5999), 5999)
    }

    private static func clamped(_ instant: Timestamp) -> Int64 { min(max(instant.seconds, 0), 253_402_200_000) }

    private static let days: [StaticString] = ["Thu, ", "Fri, ", "Sat, ", "Sun, ", "Mon, ", "Tue, ", "Wed, "]
    private static let months: [StaticString] = [
        " Jan ", " Feb ", " Mar ", " Apr ", " May ", " Jun ", " Jul ", " Aug ", " Sep ", " Oct ", " Nov ", " Dec ",
    ]

    /// Appends the text: 30 or 31 octets.
    public func write(into buffer: inout ByteBuffer) {
        let local = max(self.seconds + Int64(self.zone) * 60, 0)
        let day = Int(local / 86_400)
        let second = Int(local % 86_400)
        let date = Self.civil(day)
        buffer.writeStaticString(Self.days[day % 7])
        buffer.writeString(String(date.day))
        buffer.writeStaticString(Self.months[date.month - 1])
        Self.write(date.year / 100, into: &buffer)
        Self.write(date.year % 100, into: &buffer)
        buffer.writeStaticString(" ")
        Self.write(second / 3600, into: &buffer)
        buffer.writeStaticString(":")
        Self.write(second / 60 % 60, into: &buffer)
        buffer.writeStaticString(":")
        Self.write(second % 60, into: &buffer)
        buffer.writeStaticString(self.zone < 0 ? " -" : " +")
        Self.write(abs(self.zone) / 60, into: &buffer)
        Self.write(abs(self.zone) % 60, into: &buffer)
    }

    private static func write(_ number: Int, into buffer: inout ByteBuffer) {
        buffer.writeInteger(UInt8(truncatingIfNeeded: 0x30 + number / 10 % 10))
        buffer.writeInteger(UInt8(truncatingIfNeeded: 0x30 + number % 10))
    }

    /// Year, month and day of the Gregorian calendar, counted in years that begin in March and eras of 400 years.
    private static func civil(_ daysSince1970: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = daysSince1970 + 719_468  // days since 0000-03-01
        let era = shifted / 146_097
        let dayOfEra = shifted % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let year = yearOfEra + era * 400 + (month >= 10 ? 1 : 0)
        return (year, month >= 10 ? month - 9 : month + 3, dayOfYear - (153 * month + 2) / 5 + 1)
    }
}

extension DateTime: CustomStringConvertible {
    /// The text.
    public var description: String {
        var buffer = ByteBuffer()
        self.write(into: &buffer)
        return String(buffer: buffer)
    }
}

/// The time zone of this host: asked of the C library once a quarter of an hour, because zones change on no other minute.
enum LocalTimeZone {
    /// The last answer: quarters since 1970 above the low 16 bits, minutes plus 32,768 in them.
    private static let cache = Atomic<Int64>(-1)

    static func minutesAheadOfUTC(at seconds: Int64) -> Int {
        let quarter = seconds / 900
        let known = self.cache.load(ordering: .relaxed)
        if known >= 0, known >> 16 == quarter { return Int(known & 0xFFFF) - 32_768 }
        let minutes = self.ask(at: seconds)
        self.cache.store(quarter << 16 | Int64(minutes + 32_768), ordering: .relaxed)
        return minutes
    }

    private static func ask(at seconds: Int64) -> Int {
        var instant = time_t(seconds)
        var local = unsafe tm()
        guard unsafe localtime_r(&instant, &local) != nil else { return 0 }
        return min(max(unsafe local.tm_gmtoff / 60, -1440), 1440)
    }
}
