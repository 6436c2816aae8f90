import SMTP

/// Counts messages per period: up to a whole period's messages at once, then evenly.
///
/// Kept as the virtual time at which the bucket will be full again (the "generic cell rate algorithm"): one number, no drift.
struct TokenBucket: Sendable {
    /// Microseconds between two messages.
    private let interval: Int64
    /// Microseconds for a whole bucket.
    private let capacity: Int64
    /// When the bucket is full, in microseconds since 1970.
    private var full: Int64 = .min

    /// - Parameters:
    ///   - messages: at least 1; less counts as 1.
    ///   - period: 1 ms to 10 years; anything else is brought into that range.
    init(messages: Int, per period: Duration) {
        let microseconds = min(max(period.inMilliseconds, 1), 315_360_000_000) * 1000
        self.interval = max(1, microseconds / Int64(max(1, messages)))
        self.capacity = microseconds
    }

    /// Takes one message out; the answer is the instant from which there is one, when there is none now.
    mutating func take(now: Timestamp) -> Timestamp? {
        let present = min(max(now.milliseconds, 0), Int64.max / 4000) * 1000
        // A clock that was set back must not lock the destination for longer than a period.
        let full = min(max(self.full, present), present + self.capacity)
        guard full + self.interval - present <= self.capacity else {
            return Timestamp(milliseconds: (full + self.interval - self.capacity + 999) / 1000)
        }
        self.full = full + self.interval
        return nil
    }

    /// Whether nothing was taken lately.
    func isFull(now: Timestamp) -> Bool { self.full / 1000 < now.milliseconds }

    /// Gives back one message that was taken and not sent.
    mutating func giveBack() {
        if self.full > .min { self.full -= self.interval }
    }
}
