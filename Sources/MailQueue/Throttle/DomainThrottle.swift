package import SMTP

/// The throttle of one destination: sessions and messages are granted here and nowhere else.
package actor DomainThrottle {
    /// Whose it is.
    package nonisolated let destination: Destination
    private var state: ThrottleState
    private let clock: any WallClock
    private var randomness: any RandomNumberGenerator & Sendable

    package init(
        destination: Destination,
        limits: ThrottleLimits,
        clock: any WallClock,
        randomness: any RandomNumberGenerator & Sendable = SystemRandomNumberGenerator()
    ) {
        self.destination = destination
        self.state = ThrottleState(limits: limits)
        self.clock = clock
        self.randomness = randomness
    }

    /// Goes by other limits from now on.
    package func update(_ limits: ThrottleLimits) { self.state.update(limits) }

    /// Asks for a session; a granted one is ended by `sessionEnded()`.
    package func admitSession() -> Admission { self.state.admitSession(now: self.clock.now) }

    /// A session is over, however it ended.
    package func sessionEnded() { self.state.sessionEnded() }

    /// Asks to send one message; never answers `full`.
    package func admitMessage() -> Admission { self.state.admitMessage(now: self.clock.now) }

    /// A granted message was not sent after all: there was no job.
    package func messageNotSent() { self.state.messageNotSent() }

    /// A message got through, or was refused for its own sake.
    package func recordSuccess() { self.state.recordSuccess() }

    /// The destination as a whole is in trouble: no connection, 421, a time-out.
    package func recordTrouble() { self.state.recordTrouble(now: self.clock.now, randomness: &self.randomness) }

    /// The operator stops the destination.
    package func suspend() { self.state.suspend() }

    /// The operator lets the destination go on.
    package func resume() { self.state.resume() }

    /// The state for listings.
    package var snapshot: ThrottleState.Snapshot { self.state.snapshot }

    /// Whether the table may forget this throttle.
    var isIdle: Bool { self.state.isIdle(now: self.clock.now) }
}
