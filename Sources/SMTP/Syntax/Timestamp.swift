/// An instant of wall-clock time, in milliseconds since 1970-01-01 00:00:00 UTC.
public struct Timestamp: Hashable, Comparable, Sendable, Codable {
    /// Milliseconds since 1970; leap seconds are not counted.
    public let milliseconds: Int64

    /// Makes an instant.
    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// Seconds since 1970, rounded down.
    public var seconds: Int64 { self.milliseconds / 1000 - (self.milliseconds % 1000 < 0 ? 1 : 0) }

    /// Orders by time.
    public static func < (left: Timestamp, right: Timestamp) -> Bool { left.milliseconds < right.milliseconds }

    /// The instant a duration later; saturates instead of overflowing.
    public static func + (instant: Timestamp, duration: Duration) -> Timestamp {
        let (sum, overflow) = instant.milliseconds.addingReportingOverflow(duration.inMilliseconds)
        return Timestamp(milliseconds: overflow ? (duration < .zero ? .min : .max) : sum)
    }

    /// The time from the right instant to the left one.
    public static func - (left: Timestamp, right: Timestamp) -> Duration {
        let (difference, overflow) = left.milliseconds.subtractingReportingOverflow(right.milliseconds)
        return .milliseconds(overflow ? (left < right ? Int64.min : .max) : difference)
    }
}

extension Duration {
    /// Whole milliseconds, rounded towards zero; saturates.
    public var inMilliseconds: Int64 {
        let (seconds, attoseconds) = self.components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        let (sum, overflow2) = product.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
        return overflow2 ? (seconds < 0 ? .min : .max) : sum
    }
}

/// The source of wall-clock time; tests pass one that they move by hand.
public protocol WallClock: Sendable {
    /// The present instant.
    var now: Timestamp { get }
}
