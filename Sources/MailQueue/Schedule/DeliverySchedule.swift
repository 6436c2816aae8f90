import DequeModule
import HeapModule
import SMTP

/// What is due, by destination, and what is under way: a window of at most so many recipients onto the queue, the rest of which
/// stays in the store.
///
/// Sans I/O: it is told what was stored, taken and finished, and the present time. Everything that is due up to `horizon` is in
/// the window, but for destinations that have their share of it (`behind`); everything later is in the store alone.
struct DeliverySchedule {
    /// What is known about one destination.
    private struct Lane {
        /// Due, in the order in which it became so.
        var ready: Deque<WorkItem> = []
        /// Recipients in the window: ready, later, and under way.
        var recipients = 0
        /// Items under way.
        var active = 0
        /// Workers that were invited since the lane was last empty.
        var invited = 0
        /// Whether the operator has stopped it.
        var isSuspended = false

        var isForgettable: Bool { self.recipients == 0 && !self.isSuspended }

        mutating func takeFirst() -> WorkItem? {
            guard let item = self.ready.popFirst() else { return nil }
            self.active += 1
            if self.ready.isEmpty { self.invited = 0 }
            return item
        }
    }

    /// Recipients in the window at most.
    let maximumActive: Int
    /// Recipients of one destination in the window at most: so that one that is slow leaves room for the others.
    let share: Int

    private var lanes: [Destination: Lane] = [:]
    /// Destinations of which the store has due recipients that did not fit into the share.
    private var behind: Set<Destination> = []
    /// Due within the horizon, but not yet.
    private var later = Heap<Later>()
    /// All recipients in the window.
    private(set) var known: Set<RecipientKey> = []
    /// Items in the window by message: ready and under way, not those that are due later.
    private var pressing: [QueueID: Int] = [:]
    /// Up to here the store has been read; `nil` before the first time.
    private(set) var horizon: DueCursor?

    init(maximumActive: Int) {
        self.maximumActive = max(10, maximumActive)
        self.share = max(1, self.maximumActive / 4)
    }

    // MARK: What comes in

    /// Takes an item that was put off, if the store was read that far already; otherwise it will be found there.
    mutating func addLater(_ item: WorkItem, now: Timestamp) {
        guard let horizon = self.horizon, item.due <= horizon.due else { return }
        _ = self.add(item, now: now)
    }

    /// Takes an item that the store has, if there is room for it.
    ///
    /// - Returns: whether it was taken. Otherwise it will be read from the store when there is room.
    mutating func add(_ item: WorkItem, now: Timestamp) -> Bool {
        let count = item.positions.count
        guard self.known.count + count <= self.maximumActive else {
            self.forget(from: item.due)
            return false
        }
        let lane = self.lanes[item.destination] ?? Lane()
        guard lane.recipients == 0 || lane.recipients + count <= self.share else {
            self.behind.insert(item.destination)
            return false
        }
        self.known.formUnion(item.keys)
        self.lanes[item.destination, default: Lane()].recipients += count
        if item.due <= now {
            self.makeReady(item)
        } else {
            self.later.insert(Later(item: item))
        }
        return true
    }

    /// Makes ready what has become due.
    ///
    /// - Returns: its destinations.
    mutating func advance(to now: Timestamp) -> Set<Destination> {
        var destinations: Set<Destination> = []
        while let first = self.later.min, first.item.due <= now {
            self.later.removeMin()
            self.makeReady(first.item)
            destinations.insert(first.item.destination)
        }
        return destinations
    }

    /// The store was read up to here.
    mutating func advanceHorizon(to cursor: DueCursor) {
        self.horizon = max(self.horizon ?? cursor, cursor)
    }

    /// Something in the store that is due at `due` is not in the window: it must be read again from there.
    mutating func forget(from due: Timestamp) {
        guard let horizon = self.horizon, due <= horizon.due else { return }
        self.horizon = DueCursor(
            due: due,
            key: RecipientKey(id: QueueID(rawValue: .min), position: .min)
        )
    }

    /// The store has due recipients of this destination that are over its share.
    mutating func markBehind(_ destination: Destination) { self.behind.insert(destination) }

    private mutating func makeReady(_ item: WorkItem) {
        self.lanes[item.destination, default: Lane()].ready.append(item)
        self.pressing[item.id, default: 0] += 1
    }

    // MARK: What goes out

    /// Takes the item that has waited longest.
    mutating func take(for destination: Destination) -> WorkItem? {
        guard self.lanes[destination]?.isSuspended == false else { return nil }
        return self.lanes[destination]?.takeFirst()
    }

    /// Puts back an item that was taken and not attempted: it is first in line.
    mutating func putBack(_ item: WorkItem) {
        self.lanes[item.destination]?.active -= 1
        self.lanes[item.destination]?.ready.prepend(item)
    }

    /// The attempt for an item that was taken is over: the message's other recipients need not be waited for on its account.
    mutating func attemptEnded(_ item: WorkItem) {
        self.lanes[item.destination]?.active -= 1
        self.releasePressure(of: item.id)
    }

    /// What became of an item is recorded, after `attemptEnded(_:)`: the store may be asked about it again.
    mutating func settle(_ item: WorkItem) {
        self.known.subtract(item.keys)
        self.leave(item)
    }

    /// Whether a message has items that are ready or under way.
    func isPressing(_ id: QueueID) -> Bool { self.pressing[id] != nil }

    /// Drops what waits for these messages: it is held, deleted, or due at another time.
    ///
    /// - Returns: the items that were dropped.
    @discardableResult
    mutating func drop(_ ids: Set<QueueID>, onlyLater: Bool = false) -> [WorkItem] {
        var dropped = self.later.unordered.filter { ids.contains($0.item.id) }.map(\.item)
        if !dropped.isEmpty { self.later = Heap(self.later.unordered.filter { !ids.contains($0.item.id) }) }
        for item in dropped { self.settle(item) }
        guard !onlyLater else { return dropped }
        for (destination, lane) in self.lanes where lane.ready.contains(where: { ids.contains($0.id) }) {
            self.lanes[destination]?.ready.removeAll { ids.contains($0.id) }
            for item in lane.ready where ids.contains(item.id) {
                self.releasePressure(of: item.id)
                self.settle(item)
                dropped.append(item)
            }
        }
        return dropped
    }

    /// Sends half of the fullest lane back to the store, when the window is full and others wait outside.
    ///
    /// - Returns: the items that went.
    mutating func makeRoom(now: Timestamp) -> [WorkItem] {
        guard self.room < self.maximumActive / 4, let horizon = self.horizon, horizon.due < now else { return [] }
        guard let fullest = self.lanes.max(by: { $0.value.ready.count < $1.value.ready.count }) else { return [] }
        let count = fullest.value.ready.count / 2
        guard count > 0 else { return [] }
        let items = Array(fullest.value.ready.suffix(count))
        self.lanes[fullest.key]?.ready.removeLast(count)
        self.behind.insert(fullest.key)
        for item in items {
            self.releasePressure(of: item.id)
            self.settle(item)
        }
        return items
    }

    private mutating func releasePressure(of id: QueueID) {
        let rest = self.pressing[id, default: 0] - 1
        self.pressing[id] = rest > 0 ? rest : nil
    }

    private mutating func leave(_ item: WorkItem) {
        guard var lane = self.lanes[item.destination] else { return }
        lane.recipients -= item.positions.count
        self.lanes[item.destination] = lane.isForgettable ? nil : lane
    }

    // MARK: Invitations

    /// How many more workers to invite to a destination: as many as work there, and a few more the more there is to do.
    ///
    /// A worker that the throttle does not admit costs nothing but the question, and is not asked for again until the lane has
    /// been empty or `again` says so.
    mutating func invitations(for destination: Destination, again: Bool = false) -> Int {
        guard let lane = self.lanes[destination], !lane.isSuspended, !lane.ready.isEmpty else { return 0 }
        if again { self.lanes[destination]?.invited = 0 }
        let invited = again ? 0 : lane.invited
        let wanted = min(lane.ready.count, lane.active + Int.bitWidth - lane.ready.count.leadingZeroBitCount)
        guard wanted > invited else { return 0 }
        self.lanes[destination]?.invited = wanted
        return again ? 1 : wanted - invited
    }

    /// Destinations with ready items.
    var readyDestinations: [Destination] {
        self.lanes.compactMap { $0.value.ready.isEmpty || $0.value.isSuspended ? nil : $0.key }
    }

    /// Number of ready items.
    func readyCount(at destination: Destination) -> Int { self.lanes[destination]?.ready.count ?? 0 }

    // MARK: Suspension

    /// Stops or starts a destination.
    mutating func setSuspended(_ destination: Destination, _ isSuspended: Bool) {
        var lane = self.lanes[destination] ?? Lane()
        lane.isSuspended = isSuspended
        lane.invited = 0
        self.lanes[destination] = lane.isForgettable ? nil : lane
    }

    /// The destinations that are stopped.
    var suspended: [Destination] { self.lanes.compactMap { $0.value.isSuspended ? $0.key : nil } }

    // MARK: Room

    /// Recipients that fit in.
    var room: Int { max(0, self.maximumActive - self.known.count) }

    /// When the next item in the window becomes due.
    var nextDue: Timestamp? { self.later.min?.item.due }

    /// Whether there is anything to read from the store now.
    func wantsReading(now: Timestamp) -> Bool { self.wantsMore(now: now) || !self.behind.isEmpty }

    /// Whether to read more from the store: there is room, and what was read does not reach half a look ahead.
    func wantsMore(now: Timestamp) -> Bool {
        guard self.room >= self.maximumActive / 4 else { return false }
        return self.horizon.map { $0.due < now + Self.lookahead / 2 } ?? true
    }

    /// So far ahead of the present the store is read.
    static let lookahead: Duration = .seconds(60)

    /// What the store must know to fill the window fairly.
    func dueQuery(now: Timestamp) -> DueQuery {
        var query = DueQuery(after: self.horizon, until: now + Self.lookahead, limit: self.room)
        query.excluding = self.known
        query.share = self.share
        query.held = self.lanes.mapValues { $0.recipients }
        return query
    }

    /// A destination that is behind and has worked off half of its share; its mark is taken away.
    ///
    /// None while others wait outside that have nothing in the window at all.
    mutating func nextToCatchUp(now: Timestamp) -> Destination? {
        guard self.room > 0, let horizon = self.horizon, horizon.due >= now else { return nil }
        let found = self.behind.first { (self.lanes[$0]?.recipients ?? 0) <= self.share / 2 }
        return found.flatMap { self.behind.remove($0) }
    }

    /// Asks for what a destination has beyond its share.
    func catchUpQuery(for destination: Destination, until: Timestamp) -> DueQuery {
        let held = self.lanes[destination]?.recipients ?? 0
        var query = DueQuery(until: until, destination: destination, limit: min(self.room, max(1, self.share - held)))
        query.excluding = self.known
        return query
    }
}

/// An item in the order of its due time; equal ones by arrival.
private struct Later: Comparable {
    let item: WorkItem

    static func < (left: Later, right: Later) -> Bool {
        (left.item.due, left.item.id, left.item.positions[0]) < (right.item.due, right.item.id, right.item.positions[0])
    }

    static func == (left: Later, right: Later) -> Bool { left.item == right.item }
}
