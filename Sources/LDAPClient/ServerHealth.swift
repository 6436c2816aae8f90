/// What is known about the servers: which one to use, which to pass over, and when to probe (a value without I/O).
///
/// The first server that is not failed is used. A server that failed is passed over, and probed when its time is over; it is
/// used again when a probe succeeded.
struct ServerHealth {
    private struct Server {
        /// `nil` while it works, or has not been tried.
        var failure: (reason: String, until: Int64)?
        var isBeingConnected = false
    }
    private var servers: [Server]
    private let pause: Int64

    init(count: Int, pause: Int64) {
        self.servers = Array(repeating: Server(), count: count)
        self.pause = pause
    }

    /// The server to use; `nil` while all have failed.
    var preferred: Int? { self.servers.firstIndex { $0.failure == nil } }

    /// Another one to use for a look-up that `server` could not answer.
    func alternative(to server: Int) -> Int? {
        self.servers.indices.first { $0 != server && self.servers[$0].failure == nil }
    }

    func hasFailed(_ server: Int) -> Bool { self.servers[server].failure != nil }

    /// Why no server can be used.
    var reasons: String { self.servers.compactMap { $0.failure?.reason }.joined(separator: "; ") }

    /// Failed servers before `limit` whose time is over and which nobody probes yet.
    func due(_ now: Int64, before limit: Int) -> [Int] {
        self.servers.indices.prefix(limit).filter { index in
            guard let failure = self.servers[index].failure else { return false }
            return failure.until <= now && !self.servers[index].isBeingConnected
        }
    }

    /// When the next probe is due; `nil` where none is.
    var nextProbe: Int64? {
        self.servers.compactMap { $0.isBeingConnected ? nil : $0.failure?.until }.min()
    }

    func isBeingConnected(_ server: Int) -> Bool { self.servers[server].isBeingConnected }

    mutating func connecting(_ server: Int) { self.servers[server].isBeingConnected = true }

    mutating func connected(_ server: Int) { self.servers[server] = Server() }

    mutating func attemptEnded(_ server: Int) { self.servers[server].isBeingConnected = false }

    mutating func failed(_ server: Int, _ reason: String, _ now: Int64) {
        self.servers[server].failure = (reason, now + self.pause)
    }
}
