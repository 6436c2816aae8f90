import MailHubPlugin

/// Values with an end, at most so many: two generations, of which the older one is dropped when the younger one is full, so that
/// what is asked for often stays.
struct ExpiringCache<Value: Sendable>: Sendable {
    private struct Entry {
        let value: Value
        let expires: Timestamp
    }
    private let capacity: Int
    private var young: [String: Entry] = [:]
    private var old: [String: Entry] = [:]

    /// - Parameter capacity: the most values, in both generations together.
    init(capacity: Int) { self.capacity = max(capacity, 2) }

    /// The value with its end, as long as that is not reached.
    mutating func value(for key: String, at now: Timestamp) -> (value: Value, expires: Timestamp)? {
        if let entry = self.young[key] { return now < entry.expires ? (entry.value, entry.expires) : nil }
        guard let entry = self.old.removeValue(forKey: key), now < entry.expires else { return nil }
        self.insert(entry, key)
        return (entry.value, entry.expires)
    }

    mutating func set(_ value: Value, for key: String, expires: Timestamp) {
        self.old[key] = nil
        self.insert(Entry(value: value, expires: expires), key)
    }

    mutating func remove(_ key: String) {
        self.young[key] = nil
        self.old[key] = nil
    }

    var count: Int { self.young.count + self.old.count }

    private mutating func insert(_ entry: Entry, _ key: String) {
        if self.young.count >= self.capacity / 2, self.young[key] == nil {
            self.old = self.young
            self.young = [:]
        }
        self.young[key] = entry
    }
}
