public import SMTP
import Synchronization

/// A clock that a test moves by hand.
public final class ManualClock: WallClock {
    private let time: Mutex<Timestamp>

    /// Begins in January 2027, unless told otherwise.
    public init(_ now: Timestamp = Timestamp(milliseconds: 1_800_000_000_000)) { self.time = Mutex(now) }

    /// The present instant.
    public var now: Timestamp { self.time.withLock { $0 } }

    /// Moves the clock.
    public func advance(by duration: Duration) { self.time.withLock { $0 = $0 + duration } }
}
