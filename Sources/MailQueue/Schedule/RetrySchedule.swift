package import SMTP

/// When a recipient is tried again, and how long (RFC 5321 section 4.5.4.1).
package struct RetrySchedule: Hashable, Sendable {
    /// The wait after the first attempt, the second and so on; the last one repeats.
    ///
    /// An empty list means 30 minutes.
    package var intervals: [Duration] = [300, 900, 1800, 3600, 7200, 14400].map { .seconds($0) }
    /// After this long the sender is warned, once.
    package var warnAfter: Duration = .seconds(4 * 3600)
    /// After this long attempts end: at least 4 to 5 days (RFC 5321 section 4.5.4.1).
    package var expireAfter: Duration = .seconds(5 * 86400)

    package init() {}

    package init(intervals: [Duration], warnAfter: Duration, expireAfter: Duration) {
        self.intervals = intervals
        self.warnAfter = warnAfter
        self.expireAfter = expireAfter
    }

    /// When the next attempt is due.
    ///
    /// - Parameters:
    ///   - attempts: attempts so far: at least 1.
    ///   - randomness: spreads recipients that failed together by up to a tenth either way.
    /// - Returns: an instant in the future; not after the end of the attempts, so that the last one is made just then.
    ///   `nil` once that has passed.
    package func nextAttempt(
        after attempts: Int,
        arrival: Timestamp,
        now: Timestamp,
        randomness: inout some RandomNumberGenerator
    ) -> Timestamp? {
        let end = arrival + self.expireAfter
        guard now < end else { return nil }
        let place = min(max(attempts, 1), self.intervals.count) - 1
        let interval = self.intervals.indices.contains(place) ? self.intervals[place] : .seconds(1800)
        let milliseconds = max(interval.inMilliseconds, 1000)
        let spread = milliseconds / 10
        let jitter = spread > 0 ? Int64.random(in: -spread...spread, using: &randomness) : 0
        return min(now + .milliseconds(milliseconds) + .milliseconds(jitter), end)
    }

    /// Whether a message is late enough for a warning.
    package func isLate(arrival: Timestamp, now: Timestamp) -> Bool { arrival + self.warnAfter <= now }

    /// When attempts end.
    package func end(arrival: Timestamp) -> Timestamp { arrival + self.expireAfter }
}
