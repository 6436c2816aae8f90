import NIOCore
import SMTP
import Synchronization

/// What each client of a listener has done within the last minute: messages, recipients and mistakes, over all of its
/// connections (RFC 5321 sections 7.8 and 7.9).
///
/// The minute slides: what was counted in the previous minute still counts by the part of that minute that lies within the
/// last 60 seconds. An entry takes a few octets and is forgotten once its client has done nothing for two minutes; the table
/// holds no more than `mostClients` entries.
package final class ClientRates: Sendable {
    /// What is counted.
    enum Event: Hashable, Sendable {
        /// A message taken.
        case message
        /// A recipient accepted.
        case recipient
        /// A command, a recipient or a message refused with 5yz.
        case error
    }

    /// How long an event counts.
    static let period: Duration = .seconds(60)
    /// The most clients that are remembered at one time.
    static let mostClients = 100_000

    private struct Counts {
        /// The number of the minute that `current` belongs to.
        var minute: UInt64
        var current = Tally()
        var previous = Tally()

        /// Makes `current` belong to the given minute.
        mutating func move(to minute: UInt64) {
            guard minute != self.minute else { return }
            self.previous = minute == self.minute + 1 ? self.current : Tally()
            self.current = Tally()
            self.minute = minute
        }
    }

    private struct Tally {
        var messages = 0
        var recipients = 0
        var errors = 0

        subscript(event: Event) -> Int {
            get {
                switch event {
                case .message: self.messages
                case .recipient: self.recipients
                case .error: self.errors
                }
            }
            set {
                switch event {
                case .message: self.messages = newValue
                case .recipient: self.recipients = newValue
                case .error: self.errors = newValue
                }
            }
        }
    }

    private struct Table {
        var counts: [ClientNetwork: Counts] = [:]
        /// The minute in which idle clients were last forgotten.
        var swept: UInt64 = 0
    }
    private let table = Mutex(Table())

    /// Nobody has done anything yet.
    package init() {}

    /// Counts an event.
    func note(_ event: Event, of client: IPAddress, at now: NIODeadline) {
        let (minute, _) = Self.minute(of: now)
        self.table.withLock { table in
            Self.forgetIdle(in: &table, minute)
            let key = ClientNetwork(of: client)
            guard table.counts[key] != nil || table.counts.count < Self.mostClients else { return }
            table.counts[key, default: Counts(minute: minute)].move(to: minute)
            table.counts[key]?.current[event] += 1
        }
    }

    /// Whether the client has done as much within the last minute as it may.
    ///
    /// - Parameter limit: `nil` for no limit.
    func isExhausted(_ limit: Int?, _ event: Event, of client: IPAddress, at now: NIODeadline) -> Bool {
        guard let limit else { return false }
        let (minute, elapsed) = Self.minute(of: now)
        return self.table.withLock { table in
            guard var counts = table.counts[ClientNetwork(of: client)] else { return false }
            counts.move(to: minute)
            let earlier = Double(counts.previous[event]) * (1 - elapsed)
            return counts.current[event] + Int(earlier) >= limit
        }
    }

    /// Clients remembered at present.
    var clientCount: Int { self.table.withLock { $0.counts.count } }

    /// The number of a minute, and which part of it is over.
    private static func minute(of now: NIODeadline) -> (UInt64, elapsed: Double) {
        let length = UInt64(Self.period.components.seconds) * 1_000_000_000
        let (minute, rest) = now.uptimeNanoseconds.quotientAndRemainder(dividingBy: length)
        return (minute, Double(rest) / Double(length))
    }

    /// Once a minute, forgets the clients that did nothing in this minute and the one before.
    private static func forgetIdle(in table: inout Table, _ minute: UInt64) {
        guard minute > table.swept else { return }
        table.swept = minute
        table.counts = table.counts.filter { $0.value.minute + 1 >= minute }
    }
}
