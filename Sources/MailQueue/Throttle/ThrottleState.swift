package import SMTP

/// Whether a session may be opened, or a message sent, now.
package enum Admission: Hashable, Sendable {
    /// Yes; it is counted.
    case granted
    /// Not before then.
    case wait(until: Timestamp)
    /// All sessions are in use: when one ends.
    case full
    /// The operator has stopped the destination.
    case suspended
}

/// How hard one destination may be pressed: sessions at a time, messages per period, a pause after trouble that doubles, and
/// a careful return: one session until a message got through, then twice as many with each success.
///
/// S5321-4.5.4.1-02 and -06: an unreachable host costs few attempts, however many messages wait for it.
package struct ThrottleState: Sendable {
    /// What the destination has shown so far.
    private enum Phase {
        /// Healthy: at most this many sessions, which is less than the limit for a while after trouble.
        case open(window: Int)
        /// No new session before `until`, after so many troubles in a row.
        case paused(until: Timestamp, troubles: Int)
        /// One session finds out whether the trouble is over.
        case probing(troubles: Int)
    }

    /// For listings and metrics.
    package struct Snapshot: Hashable, Sendable {
        /// Sessions that are open.
        package let sessions: Int
        /// Sessions that are allowed now.
        package let window: Int
        /// The end of the pause, while there is one.
        package let pausedUntil: Timestamp?
        /// Troubles in a row.
        package let troubles: Int
        /// Whether the operator has stopped the destination.
        package let isSuspended: Bool
    }

    private var limits: ThrottleLimits
    private var phase: Phase
    private var bucket: TokenBucket?
    private var sessions = 0
    private var isSuspended = false

    package init(limits: ThrottleLimits) {
        self.limits = limits
        self.phase = .open(window: max(1, limits.concurrency))
        self.bucket = limits.messages.map { TokenBucket(messages: $0, per: limits.period) }
    }

    /// Goes by other limits from now on; what is known about the destination stays.
    package mutating func update(_ limits: ThrottleLimits) {
        guard limits != self.limits else { return }
        let wasFull = if case .open(let window) = self.phase { window >= self.concurrency } else { false }
        let changesRate = limits.messages != self.limits.messages || limits.period != self.limits.period
        self.limits = limits
        if case .open(let window) = self.phase {
            self.phase = .open(window: wasFull ? self.concurrency : min(window, self.concurrency))
        }
        if changesRate { self.bucket = limits.messages.map { TokenBucket(messages: $0, per: limits.period) } }
    }

    private var concurrency: Int { max(1, self.limits.concurrency) }

    /// Asks for a session; a granted one is ended by `sessionEnded()`.
    package mutating func admitSession(now: Timestamp) -> Admission {
        guard !self.isSuspended else { return .suspended }
        switch self.phase {
        case .open(let window):
            guard self.sessions < window else { return .full }
        case .paused(let until, let troubles):
            guard until <= now else { return .wait(until: until) }
            guard self.sessions == 0 else { return .full }
            self.phase = .probing(troubles: troubles)
        case .probing:
            guard self.sessions == 0 else { return .full }
        }
        self.sessions += 1
        return .granted
    }

    /// A session is over, however it ended.
    package mutating func sessionEnded() {
        assert(self.sessions > 0, "a session ended that was not granted")
        self.sessions = max(0, self.sessions - 1)
    }

    /// Asks to send one message on a session; never answers `full`.
    package mutating func admitMessage(now: Timestamp) -> Admission {
        guard !self.isSuspended else { return .suspended }
        if let next = self.bucket?.take(now: now) { return .wait(until: next) }
        return .granted
    }

    /// A granted message was not sent after all.
    package mutating func messageNotSent() { self.bucket?.giveBack() }

    /// A message got through, or was refused for its own sake: the destination works.
    package mutating func recordSuccess() {
        switch self.phase {
        case .open(let window):
            // No overflow: a window never exceeds the limit, which is cut here before it is doubled.
            self.phase = .open(window: window > self.concurrency / 2 ? self.concurrency : window * 2)
        case .probing:
            self.phase = .open(window: min(2, self.concurrency))
        case .paused:
            // A session from before the trouble got a message through: that ends neither the pause nor the care.
            return
        }
    }

    /// The destination as a whole is in trouble: no connection, 421, a time-out.
    package mutating func recordTrouble(now: Timestamp, randomness: inout some RandomNumberGenerator) {
        let troubles: Int
        switch self.phase {
        case .open: troubles = 1
        case .probing(let before): troubles = before + 1
        case .paused:
            // Sessions that were open when the trouble began all report it: it counts once.
            return
        }
        self.phase = .paused(until: now + self.pause(after: troubles, randomness: &randomness), troubles: troubles)
    }

    /// The operator stops the destination; open sessions end by themselves.
    package mutating func suspend() { self.isSuspended = true }

    /// The operator lets the destination go on, at once: a pause ends as well.
    package mutating func resume() {
        self.isSuspended = false
        if case .paused(_, let troubles) = self.phase {
            self.phase = .paused(until: Timestamp(milliseconds: .min), troubles: troubles)
        }
    }

    /// Whether nothing would be lost by forgetting the state.
    package func isIdle(now: Timestamp) -> Bool {
        guard self.sessions == 0, !self.isSuspended, self.bucket?.isFull(now: now) ?? true else { return false }
        switch self.phase {
        case .open: return true
        case .paused(let until, _): return until + self.limits.longestPause < now
        case .probing: return false
        }
    }

    /// The state for listings.
    package var snapshot: Snapshot {
        let (window, pausedUntil, troubles): (Int, Timestamp?, Int) =
            switch self.phase {
            case .open(let window): (window, nil, 0)
            case .paused(let until, let troubles): (0, until, troubles)
            case .probing(let troubles): (1, nil, troubles)
            }
        return Snapshot(
            sessions: self.sessions,
            window: window,
            pausedUntil: pausedUntil,
            troubles: troubles,
            isSuspended: self.isSuspended
        )
    }

    /// `firstPause`, doubled for each trouble in a row, spread by up to a tenth, never more than `longestPause`.
    private func pause(after troubles: Int, randomness: inout some RandomNumberGenerator) -> Duration {
        let longest = max(1, self.limits.longestPause.inMilliseconds)
        var milliseconds = max(1, min(self.limits.firstPause.inMilliseconds, longest))
        for _ in 0..<max(0, min(troubles, 64) - 1) {
            milliseconds = milliseconds > longest / 2 ? longest : milliseconds * 2
        }
        let spread = milliseconds / 10
        let jitter = spread > 0 ? Int64.random(in: -spread...spread, using: &randomness) : 0
        return .milliseconds(min(milliseconds + jitter, longest))
    }
}
