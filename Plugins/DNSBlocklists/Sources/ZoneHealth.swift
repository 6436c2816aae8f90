import MailHubPlugin
import Synchronization

/// Whether zones still are lists: each has to list a test entry, and must not list another (RFC 5782 section 5).
///
/// A zone that lists everything, as abandoned ones do, or nothing any more, counts as unavailable until it is right again.
final class ZoneHealth: Sendable {
    /// A zone with what is looked up in it.
    struct Part: Hashable, Sendable {
        enum Kind: String, Sendable {
            case ipv4
            case ipv6
            case domain
        }
        let zone: Domain
        let kind: Kind
    }

    private struct State {
        /// Why it is no list; `nil` while it is one, as far as is known.
        var fault: String?
        var checked: Timestamp?
    }

    private let states = Mutex<[Part: State]>([:])
    private let clock: any WallClock
    private let logger: Logger
    /// How often to look; `nil` for never.
    private let every: Duration?

    init(every: Duration?, clock: any WallClock, logger: Logger) {
        self.every = every
        self.clock = clock
        self.logger = logger
    }

    /// Why a zone is not believed; `nil` where it is.
    func fault(of part: Part) -> String? { self.states.withLock { $0[part]?.fault } }

    /// The names to look up, the first of which must be there and the second must not; `nil` while there is no need.
    ///
    /// Whoever gets them looks them up: others go on with what was known.
    func testNames(of part: Part) -> (present: String, absent: String)? {
        guard let every = self.every else { return nil }
        let now = self.clock.now
        let isDue = self.states.withLock { states in
            let isDue = states[part]?.checked.map { now - $0 >= every } ?? true
            if isDue { states[part, default: State()].checked = now }
            return isDue
        }
        return isDue ? Self.testNames(of: part) : nil
    }

    private static func testNames(of part: Part) -> (present: String, absent: String) {
        let zone = part.zone
        return switch part.kind {
        case .ipv4: (QueryName.of(.ipv4(0x7F00_0002), in: zone), QueryName.of(.ipv4(0x7F00_0001), in: zone))
        case .ipv6:
            (
                QueryName.of(.ipv6(high: 0, low: 0xFFFF_7F00_0002), in: zone),
                QueryName.of(.ipv6(high: 0, low: 0xFFFF_7F00_0001), in: zone)
            )
        case .domain: ("test." + zone.canonical, "invalid." + zone.canonical)
        }
    }

    /// Takes the answers for the test names; one that could not be had changes nothing.
    func note(present: Lookup<[IPAddress]>, absent: Lookup<[IPAddress]>, for part: Part) {
        let fault: String?
        switch (present, absent) {
        case (_, .found): fault = "it lists everything"
        case (.notFound, .notFound): fault = "it has no test entry"
        case (.found, .notFound): fault = nil
        case (.unavailable, _), (_, .unavailable): return
        }
        let before = self.states.withLock { states in
            defer { states[part, default: State()].fault = fault }
            return states[part]?.fault
        }
        guard before != fault else { return }
        self.logger.warning(
            "block list is \(fault == nil ? "believed again" : "not believed")",
            metadata: ["zone": "\(part.zone)", "kind": "\(part.kind.rawValue)", "error": "\(fault ?? "none")"]
        )
    }
}
