import SMTP
import Synchronization

/// How many connections a listener has, in all and for each client.
final class ConnectionCounts: Sendable {
    private struct Counts {
        var total = 0
        var byClient: [ClientNetwork: Int] = [:]
    }
    private let counts = Mutex(Counts())

    /// Counts a new connection, unless that would be one too many.
    func admit(_ client: IPAddress, limits: SessionLimits) -> Bool {
        let client = ClientNetwork(of: client)
        return self.counts.withLock { counts in
            guard counts.total < limits.connections, counts.byClient[client, default: 0] < limits.connectionsPerClient
            else {
                return false
            }
            counts.total += 1
            counts.byClient[client, default: 0] += 1
            return true
        }
    }

    /// Counts a connection that has ended.
    func release(_ client: IPAddress) {
        let client = ClientNetwork(of: client)
        self.counts.withLock { counts in
            counts.total -= 1
            let left = counts.byClient[client, default: 1] - 1
            counts.byClient[client] = left > 0 ? left : nil
        }
    }

    /// Connections at present.
    var total: Int { self.counts.withLock { $0.total } }
}
