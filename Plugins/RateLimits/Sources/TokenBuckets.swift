import MailHubPlugin

/// The buckets of one limit: tokens come at a steady rate up to the burst, and each message or recipient takes one.
///
/// A bucket that is full says nothing that its absence would not say. So when there are too many, the fuller half is forgotten:
/// who has used up most stays known, and keys that were used once, as an attacker invents them, go first.
struct TokenBuckets: Sendable {
    private struct Bucket {
        var tokens: Double
        var at: Timestamp
    }
    let limit: RateLimit
    private let most: Int
    private var buckets: [String: Bucket] = [:]

    /// - Parameter most: the most buckets, at least 2.
    init(_ limit: RateLimit, most: Int) {
        self.limit = limit
        self.most = max(most, 2)
    }

    var count: Int { self.buckets.count }

    /// Tokens in the bucket of a key.
    func tokens(of key: String, at now: Timestamp) -> Double {
        self.buckets[key].map { self.tokens(in: $0, at: now) } ?? Double(self.limit.burst)
    }

    /// Takes a token; the caller has looked whether there is one.
    mutating func take(from key: String, at now: Timestamp) {
        let tokens = self.tokens(of: key, at: now) - 1
        if self.buckets[key] == nil, self.buckets.count >= self.most { self.forgetHalf(at: now) }
        self.buckets[key] = Bucket(tokens: tokens, at: now)
    }

    /// Fills a bucket; says whether anything was missing in it.
    mutating func reset(_ key: String) -> Bool { self.buckets.removeValue(forKey: key) != nil }

    /// The emptiest buckets first.
    func emptiest(_ most: Int, at now: Timestamp) -> [(key: String, tokens: Double)] {
        let all = self.buckets.map { (key: $0.key, tokens: self.tokens(in: $0.value, at: now)) }
        return Array(all.sorted { ($0.tokens, $0.key) < ($1.tokens, $1.key) }.prefix(most))
    }

    private func tokens(in bucket: Bucket, at now: Timestamp) -> Double {
        min(Double(self.limit.burst), bucket.tokens + self.limit.refill(in: now - bucket.at))
    }

    private mutating func forgetHalf(at now: Timestamp) {
        let kept = self.emptiest(self.most / 2, at: now).filter { $0.tokens < Double(self.limit.burst) }
        self.buckets = Dictionary(uniqueKeysWithValues: kept.map { ($0.key, Bucket(tokens: $0.tokens, at: now)) })
    }
}
