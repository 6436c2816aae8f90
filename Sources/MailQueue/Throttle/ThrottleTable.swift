package import SMTP

/// The throttles of all destinations that there is something to remember about.
package actor ThrottleTable {
    /// An entry, and since when nobody has asked for it.
    private struct Entry {
        let throttle: DomainThrottle
        var lastUse: Timestamp
    }

    private let clock: any WallClock
    private let limits: @Sendable (Destination) -> ThrottleLimits
    private var entries: [Destination: Entry] = [:]
    private var pruneAt = 1024

    /// An entry that was not asked for this long may be forgotten: longer than anybody keeps one without asking again.
    private static let retention: Duration = .seconds(900)

    /// - Parameter limits: the limits of a destination, from the configuration.
    package init(clock: any WallClock, limits: @escaping @Sendable (Destination) -> ThrottleLimits) {
        self.clock = clock
        self.limits = limits
    }

    /// The throttle of a destination; always the same one while anything is known about it.
    ///
    /// Ask again for each session: an entry without sessions is forgotten after a quarter of an hour.
    package func throttle(for destination: Destination) async -> DomainThrottle {
        if self.entries.count >= self.pruneAt { await self.prune() }
        if let known = self.entries[destination]?.throttle {
            self.entries[destination]?.lastUse = self.clock.now
            return known
        }
        let new = DomainThrottle(destination: destination, limits: self.limits(destination), clock: self.clock)
        self.entries[destination] = Entry(throttle: new, lastUse: self.clock.now)
        return new
    }

    /// Asks for the limits of all destinations again: after the configuration has changed.
    package func limitsChanged() async {
        for (destination, entry) in self.entries { await entry.throttle.update(self.limits(destination)) }
    }

    /// The state of all destinations that something is known about.
    package func snapshots() async -> [(destination: Destination, state: ThrottleState.Snapshot)] {
        var result: [(destination: Destination, state: ThrottleState.Snapshot)] = []
        for (destination, entry) in self.entries {
            result.append((destination, await entry.throttle.snapshot))
        }
        return result.sorted { $0.destination.description < $1.destination.description }
    }

    /// Forgets what is idle.
    ///
    /// The next time is when the table has doubled, so that the cost per destination is constant.
    package func prune() async {
        let limit = self.clock.now - Self.retention
        for (destination, entry) in self.entries where entry.lastUse < limit {
            guard await entry.throttle.isIdle else { continue }
            // While we waited, somebody may have asked for it.
            if let now = self.entries[destination]?.lastUse, now < limit { self.entries[destination] = nil }
        }
        self.pruneAt = max(1024, self.entries.count * 2)
    }
}

extension Timestamp {
    /// The instant a duration earlier; saturates.
    fileprivate static func - (instant: Timestamp, duration: Duration) -> Timestamp {
        let (difference, overflow) = instant.milliseconds.subtractingReportingOverflow(duration.inMilliseconds)
        return Timestamp(milliseconds: overflow ? (duration < .zero ? .max : .min) : difference)
    }
}
